-- One signal in force by its id; the columns of page.sql.
SELECT id, import_number, bank_number, type, value, digest, quality, labels, source, opinion, confidence, confirmed_by,
       disputed, muted_until
FROM matching_signal
WHERE id = %s AND status = 'active'
