SELECT s.position, s.id, s.screened_at, s.surface, s.verdict, s.degraded, s.batch, s.hold_expires_at, s.sealed,
       r.key, r.digest
FROM {rows} AS s LEFT JOIN {requests} AS r ON r.day = s.day AND r.position = s.position
WHERE s.day = %(day)s AND s.id = ANY(%(ids)s)
