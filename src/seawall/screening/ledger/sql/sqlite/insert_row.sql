INSERT INTO screening (position, id, screened_at, surface, verdict, degraded, batch, hold_expires_at, sealed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);
