SELECT number, last_position FROM {batches} WHERE day = %(day)s ORDER BY number DESC LIMIT 1
