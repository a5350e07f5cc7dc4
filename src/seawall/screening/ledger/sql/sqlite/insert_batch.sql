INSERT INTO batch (number, committed_at, rows, last_position, digest) VALUES (?, ?, ?, ?, ?);
