-- Positions rise with batches, so that the rows of some batches are a range of the table's own key.
SELECT s.position, s.id, s.screened_at, s.surface, s.verdict, s.degraded, s.batch, s.hold_expires_at, s.sealed,
       r.key, r.digest
FROM {rows} AS s LEFT JOIN {requests} AS r ON r.day = s.day AND r.position = s.position
WHERE s.day = %(day)s AND s.verdict = 'hold'
  AND s.position > COALESCE((SELECT last_position FROM {batches} WHERE day = %(day)s AND number = %(after)s), 0)
  AND s.position <= (SELECT last_position FROM {batches} WHERE day = %(day)s AND number = %(last)s)
ORDER BY s.position
