SELECT number, committed_at, rows, digest FROM batch WHERE number > ? ORDER BY number LIMIT ?;
