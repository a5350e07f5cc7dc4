-- Positions rise with batches, so that the rows of some batches are a range of the table's own key.
SELECT s.position, s.id, s.screened_at, s.surface, s.verdict, s.degraded, s.batch, s.hold_expires_at, s.sealed,
       r.key, r.digest
FROM screening AS s LEFT JOIN request AS r ON r.position = s.position
WHERE s.verdict = 'hold'
  AND s.position > COALESCE((SELECT last_position FROM batch WHERE number = ?1), 0)
  AND s.position <= (SELECT last_position FROM batch WHERE number = ?2)
ORDER BY s.position;
