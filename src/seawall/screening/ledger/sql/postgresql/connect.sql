-- What was answered must survive a crash, whatever the server's default is.
SET synchronous_commit = on
