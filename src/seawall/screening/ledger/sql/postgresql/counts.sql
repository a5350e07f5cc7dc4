-- Positions rise with batches, so that the rows of some batches are a range of the table's own key.
SELECT surface, verdict, degraded, COUNT(*)
FROM {rows}
WHERE day = %(day)s
  AND position > COALESCE((SELECT last_position FROM {batches} WHERE day = %(day)s AND number = %(after)s), 0)
  AND position <= (SELECT last_position FROM {batches} WHERE day = %(day)s AND number = %(last)s)
GROUP BY surface, verdict, degraded
