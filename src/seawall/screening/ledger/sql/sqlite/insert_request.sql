INSERT INTO request (position, key, digest) VALUES (?, ?, ?);
