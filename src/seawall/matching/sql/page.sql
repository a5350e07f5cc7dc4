-- The next signals in force, in order of their ids: the first column is where the following page begins.
SELECT id, import_number, bank_number, type, value, digest, quality, labels, source, opinion, confidence, confirmed_by,
       disputed, muted_until
FROM matching_signal
WHERE id > %s AND status = 'active'
ORDER BY id
LIMIT %s
