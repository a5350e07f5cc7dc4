SELECT s.position, s.id, s.screened_at, s.surface, s.verdict, s.degraded, s.batch, s.hold_expires_at, s.sealed,
       r.key, r.digest
FROM screening AS s LEFT JOIN request AS r ON r.position = s.position
ORDER BY s.position;
