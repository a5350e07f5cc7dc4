SELECT child.relname
FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent IN ('ledger_unmatched'::regclass, 'ledger_matched'::regclass)
