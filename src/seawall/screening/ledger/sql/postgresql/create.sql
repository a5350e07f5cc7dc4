-- The parents of the day partitions, for both families; the partitions are made on demand.
-- `position` numbers the rows of one day and family in the order of writing.
CREATE TABLE IF NOT EXISTS ledger_unmatched (
    day             date    NOT NULL,
    position        bigint  NOT NULL,
    id              uuid    NOT NULL,
    screened_at     bigint  NOT NULL,
    surface         text    NOT NULL,
    verdict         text    NOT NULL,
    degraded        boolean NOT NULL,
    batch           bigint  NOT NULL,
    hold_expires_at bigint,
    sealed          bytea   NOT NULL,
    PRIMARY KEY (day, position),
    UNIQUE (day, id)
) PARTITION BY LIST (day);
CREATE TABLE IF NOT EXISTS ledger_unmatched_batch (
    day           date   NOT NULL,
    number        bigint NOT NULL,
    committed_at  bigint NOT NULL,
    rows          bigint NOT NULL,
    last_position bigint NOT NULL,
    digest        bytea  NOT NULL,
    PRIMARY KEY (day, number)
) PARTITION BY LIST (day);
-- Requests that carried an Idempotency-Key, found by a keyed hash of it.
CREATE TABLE IF NOT EXISTS ledger_unmatched_request (
    day      date   NOT NULL,
    position bigint NOT NULL,
    key      bytea  NOT NULL,
    digest   bytea  NOT NULL,
    PRIMARY KEY (day, position),
    UNIQUE (day, key)
) PARTITION BY LIST (day);
CREATE TABLE IF NOT EXISTS ledger_matched (
    LIKE ledger_unmatched INCLUDING CONSTRAINTS, PRIMARY KEY (day, position), UNIQUE (day, id)
) PARTITION BY LIST (day);
CREATE TABLE IF NOT EXISTS ledger_matched_batch (
    LIKE ledger_unmatched_batch INCLUDING CONSTRAINTS, PRIMARY KEY (day, number)
) PARTITION BY LIST (day);
CREATE TABLE IF NOT EXISTS ledger_matched_request (
    LIKE ledger_unmatched_request INCLUDING CONSTRAINTS, PRIMARY KEY (day, position), UNIQUE (day, key)
) PARTITION BY LIST (day);
