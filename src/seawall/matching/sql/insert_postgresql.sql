-- A batch of an import, copied into the session's own table; signals that the bank has already are left as they are.
INSERT INTO matching_signal
    (id, bank_number, import_number, type, value, digest, quality, labels, source, confidence, note,
     opinion, status, confirmed_by, disputed, changed, muted_until)
SELECT id, bank_number, import_number, type, value, digest, quality, labels, source, confidence, note,
       'positive', 'active', '[]'::jsonb, FALSE, NULL, NULL
FROM matching_incoming
ON CONFLICT (bank_number, type, digest) DO NOTHING
