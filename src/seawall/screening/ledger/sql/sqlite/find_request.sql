SELECT s.position, s.id, s.screened_at, s.surface, s.verdict, s.degraded, s.batch, s.hold_expires_at, s.sealed,
       r.key, r.digest
FROM request AS r JOIN screening AS s ON s.position = r.position
WHERE r.key = ?;
