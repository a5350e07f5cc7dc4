-- Positions rise with batches, so that the rows of some batches are a range of the table's own key.
SELECT surface, verdict, degraded, COUNT(*)
FROM screening
WHERE position > COALESCE((SELECT last_position FROM batch WHERE number = ?1), 0)
  AND position <= (SELECT last_position FROM batch WHERE number = ?2)
GROUP BY surface, verdict, degraded;
