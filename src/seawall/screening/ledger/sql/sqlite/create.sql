-- One file per UTC day and family. `position` numbers the rows of the file in the order of writing.
CREATE TABLE IF NOT EXISTS screening (
    position        INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL UNIQUE,
    screened_at     INTEGER NOT NULL,
    surface         TEXT    NOT NULL,
    verdict         TEXT    NOT NULL,
    degraded        INTEGER NOT NULL,
    batch           INTEGER NOT NULL,
    hold_expires_at INTEGER,
    sealed          BLOB    NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS batch (
    number        INTEGER PRIMARY KEY,
    committed_at  INTEGER NOT NULL,
    rows          INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    digest        BLOB    NOT NULL
) STRICT;
-- Requests that carried an Idempotency-Key, found by a keyed hash of it.
CREATE TABLE IF NOT EXISTS request (
    position INTEGER PRIMARY KEY,
    key      BLOB    NOT NULL UNIQUE,
    digest   BLOB    NOT NULL
) STRICT;
PRAGMA user_version = 1;
