COPY {rows} (day, position, id, screened_at, surface, verdict, degraded, batch, hold_expires_at, sealed)
FROM STDIN (FORMAT BINARY)
