-- One row of an import; a signal that the bank has already is left as it is.
INSERT INTO matching_signal
    (id, bank_number, import_number, type, value, digest, quality, labels, source, confidence, note,
     opinion, status, confirmed_by, disputed, changed, muted_until)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'positive', 'active', '[]', FALSE, NULL, NULL)
ON CONFLICT (bank_number, type, digest) DO NOTHING
