-- What was answered must survive a power cut: with FULL every commit is synced to the disk, in WAL mode too.
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
