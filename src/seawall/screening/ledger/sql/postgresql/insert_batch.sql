INSERT INTO {batches} (day, number, committed_at, rows, last_position, digest) VALUES (%s, %s, %s, %s, %s, %s)
