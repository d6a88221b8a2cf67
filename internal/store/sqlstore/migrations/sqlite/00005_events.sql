-- What backends hear of: events, stored in the transaction of the change that they tell of, and
-- who is still to receive them. All are empty while there is neither an API key nor an endpoint.

-- +goose Up
CREATE TABLE events (
    seq     INTEGER NOT NULL PRIMARY KEY, -- The microsecond of the commit, or a little more.
    call_id TEXT    NOT NULL,
    rev     INTEGER NOT NULL,
    at_ns   INTEGER NOT NULL, -- The store's time of the commit.
    kind    INTEGER NOT NULL,
    merged  TEXT,             -- Of call.merged: the id of the invitation that was merged.
    filed   INTEGER NOT NULL, -- Of call.ended: whether the record was filed.
    body    BLOB    NOT NULL  -- peal.stored.v1.Call: the call after the change.
) STRICT;

CREATE TABLE endpoints (
    number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    id     TEXT UNIQUE,  -- NULL: deleted, while what waits for it is not.
    body   TEXT NOT NULL -- store.Endpoint as JSON.
) STRICT;

-- A row for each event that waits for an endpoint. It goes when the endpoint has the event.
CREATE TABLE deliveries (
    endpoint INTEGER NOT NULL,
    call_id  TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    tries    INTEGER NOT NULL,
    due_ns   INTEGER NOT NULL,
    PRIMARY KEY (endpoint, call_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (endpoint, due_ns, seq);

-- What was given up.
CREATE TABLE dead (
    endpoint INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    tries    INTEGER NOT NULL,
    at_ns    INTEGER NOT NULL,
    reason   TEXT    NOT NULL,
    PRIMARY KEY (endpoint, seq)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE dead;
DROP TABLE deliveries;
DROP TABLE endpoints;
DROP TABLE events;
