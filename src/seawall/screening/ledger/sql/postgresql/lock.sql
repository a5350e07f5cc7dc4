-- Held until the transaction ends: batches of one partition are numbered one after another.
SELECT pg_advisory_xact_lock(hashtext(%(name)s))
