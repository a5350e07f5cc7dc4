SELECT number, last_position FROM batch ORDER BY number DESC LIMIT 1;
