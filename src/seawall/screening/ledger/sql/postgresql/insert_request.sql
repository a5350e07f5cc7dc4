INSERT INTO {requests} (day, position, key, digest) VALUES (%s, %s, %s, %s)
