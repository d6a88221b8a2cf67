-- Times are Unix nanoseconds. Identifiers compare by bytes.

-- +goose Up
CREATE TABLE calls (
    id          TEXT    NOT NULL PRIMARY KEY,
    rev         INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    caller      TEXT    NOT NULL,
    callee      TEXT    NOT NULL,
    deadline_ns INTEGER,          -- When the call wants a tick; NULL for never.
    created_ns  INTEGER NOT NULL,
    ended_ns    INTEGER,          -- NULL while the call lives.
    changed_ns  INTEGER NOT NULL, -- The store's time of the last change.
    body        TEXT    NOT NULL  -- The whole call as JSON; all else is drawn from it.
) STRICT;
CREATE INDEX calls_live ON calls (id) WHERE ended_ns IS NULL;
CREATE INDEX calls_due ON calls (deadline_ns, id) WHERE deadline_ns IS NOT NULL;
CREATE INDEX calls_by_caller ON calls (caller, ended_ns) WHERE ended_ns IS NOT NULL;
CREATE INDEX calls_by_callee ON calls (callee, ended_ns) WHERE ended_ns IS NOT NULL;
CREATE INDEX calls_ended ON calls (ended_ns) WHERE ended_ns IS NOT NULL;

-- A claim is what makes an account busy: it has one exactly while a live call
-- has a leg of it.
CREATE TABLE claims (
    account TEXT NOT NULL PRIMARY KEY,
    call_id TEXT NOT NULL REFERENCES calls (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_call ON claims (call_id);

-- Records outlive their calls, so they refer to none.
CREATE TABLE records (
    call_id     TEXT    NOT NULL PRIMARY KEY,
    kind        INTEGER NOT NULL,
    type        INTEGER NOT NULL,
    caller      TEXT    NOT NULL,
    callee      TEXT    NOT NULL,
    reason      INTEGER NOT NULL,
    created_ns  INTEGER NOT NULL,
    ended_ns    INTEGER NOT NULL,
    duration_s  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_caller ON records (caller, ended_ns, call_id);
CREATE INDEX records_by_callee ON records (callee, ended_ns, call_id);
CREATE INDEX records_ended ON records (ended_ns);

CREATE TABLE leases (
    incarnation TEXT    NOT NULL PRIMARY KEY,
    until_ns    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE leases;
DROP TABLE records;
DROP TABLE claims;
DROP TABLE calls;
