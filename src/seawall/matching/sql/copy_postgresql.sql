COPY matching_incoming (id, bank_number, import_number, type, value, digest, quality, labels, source, confidence, note)
FROM STDIN
