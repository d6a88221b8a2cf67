-- Whom an account does not want to be called by, and which records the callee must not see.

-- +goose Up
CREATE TABLE blocks (
    account    TEXT    NOT NULL, -- Whom calls of the blocked account do not reach.
    blocked    TEXT    NOT NULL,
    created_ns INTEGER NOT NULL,
    PRIMARY KEY (account, blocked)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_by_blocked ON blocks (blocked);

-- A deaf record is listed for the caller alone: parties has one row of it.
ALTER TABLE records ADD COLUMN deaf INTEGER NOT NULL DEFAULT 0;
CREATE INDEX records_deaf ON records (callee) WHERE deaf = 1;

-- +goose Down
DROP INDEX records_deaf;
ALTER TABLE records DROP COLUMN deaf;
DROP TABLE blocks;
