-- What belongs to no one call: API keys, the audit, and accounts that were logged out.

-- +goose Up
CREATE TABLE keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    sha256       BLOB    NOT NULL, -- Of the secret, which is not stored.
    scopes       TEXT    NOT NULL, -- Separated by commas.
    created_ns   INTEGER NOT NULL,
    last_used_ns INTEGER,          -- To the minute; NULL for never.
    revoked_ns   INTEGER           -- NULL for a key that is good.
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ns      INTEGER NOT NULL,
    key_id     TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL, -- Of account.…: an account, or the alias of one that was erased.
    other      TEXT    NOT NULL, -- A second account.
    request_id TEXT    NOT NULL,
    addr       TEXT    NOT NULL,
    status     INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at_ns);
-- What an account that is erased is looked for by.
CREATE INDEX audit_by_target ON audit (target) WHERE action GLOB 'account.*';
CREATE INDEX audit_by_other ON audit (other) WHERE action GLOB 'account.*' AND other <> '';

-- Which tokens of an account are admitted. The alias is a hash, so that an account which is
-- erased leaves no name here.
CREATE TABLE accounts (
    alias         TEXT    NOT NULL PRIMARY KEY,
    not_before_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the aliases are made with.
CREATE TABLE salt (
    row   INTEGER NOT NULL PRIMARY KEY CHECK (row = 1),
    value BLOB    NOT NULL
) STRICT;
INSERT INTO salt (row, value) VALUES (1, randomblob(32));

-- +goose Down
DROP TABLE salt;
DROP TABLE accounts;
DROP TABLE audit;
DROP TABLE keys;
