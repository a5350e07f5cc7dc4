SELECT number, committed_at, rows, digest FROM {batches}
WHERE day = %(day)s AND number > %(after)s ORDER BY number LIMIT %(limit)s
