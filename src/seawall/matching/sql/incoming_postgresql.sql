-- Where a batch of an import lands first; it is this session's own and empty again after each transaction.
CREATE TEMPORARY TABLE matching_incoming (
    id uuid, bank_number bigint, import_number bigint, type text, value text, digest bytea, quality smallint,
    labels jsonb, source text, confidence smallint, note text
) ON COMMIT DROP
