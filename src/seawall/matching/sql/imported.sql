-- The next rows of one import, in order of their ids.
SELECT id, type, digest, quality, labels, source, confidence
FROM matching_signal
WHERE import_number = %s AND id > %s
ORDER BY id
LIMIT %s
