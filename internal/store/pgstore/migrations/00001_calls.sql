-- Times are Unix nanoseconds. Identifiers compare by bytes.

-- +goose Up

-- What must be indexed and what must not: an update of a call is cheap while no indexed column
-- but deadline_ns and changed_ns changes. Never index state, rev, nodes, attempt or body.
CREATE TABLE calls (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    rev         bigint   NOT NULL,
    state       smallint NOT NULL,
    deaf        boolean  NOT NULL,
    caller      text COLLATE "C" NOT NULL,
    callee      text COLLATE "C" NOT NULL,
    deadline_ns bigint,            -- When the call wants a tick; NULL for never.
    created_ns  bigint   NOT NULL,
    ended_ns    bigint,            -- NULL while the call lives.
    changed_ns  bigint   NOT NULL, -- The database's time of the last change.
    attempt     bigint   NOT NULL, -- The transaction that made the last change.
    nodes       text[] COLLATE "C" NOT NULL, -- The incarnations that hold the call's devices.
    format      smallint NOT NULL, -- What the body needs to be understood.
    body        bytea    NOT NULL  -- peal.stored.v1.Call; all else is drawn from it.
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX calls_live ON calls (id) WHERE ended_ns IS NULL;
CREATE INDEX calls_due ON calls (deadline_ns, id) WHERE deadline_ns IS NOT NULL;
CREATE INDEX calls_ended ON calls (ended_ns) WHERE ended_ns IS NOT NULL;
CREATE INDEX calls_changed ON calls (changed_ns, id);
CREATE INDEX calls_deaf ON calls (callee) WHERE deaf; -- Their callees have no claim and are no party.

-- A claim is what makes an account busy: it has one exactly while a live call has a member of it.
CREATE TABLE claims (
    account text COLLATE "C" NOT NULL PRIMARY KEY,
    call_id text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL -- The transaction that made the claim.
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Descriptions are large and change seldom, so that a change of a call does not write them again.
-- Those of ended calls are deleted. They are compressed as in RFC 1951, each in a row of its own, so
-- that an answer does not write the offer again.
CREATE TABLE descriptions (
    call_id   text COLLATE "C" NOT NULL,
    is_answer boolean NOT NULL, -- Or it is the offer.
    sdp       bytea   NOT NULL,
    PRIMARY KEY (call_id, is_answer)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE descriptions ALTER sdp SET STORAGE EXTERNAL;

-- Records outlive their calls. An id begins with the time at which it was made, so a range of ids
-- is a day, whose partition is dropped when all of it is old. The default partition takes ids with
-- a time that is far from the database's.
CREATE TABLE records (
    call_id       text COLLATE "C" NOT NULL PRIMARY KEY,
    kind          smallint NOT NULL,
    type          smallint NOT NULL,
    caller        text COLLATE "C" NOT NULL,
    callee        text COLLATE "C" NOT NULL,
    reason        smallint NOT NULL,
    created_ns    bigint   NOT NULL,
    ended_ns      bigint   NOT NULL,
    duration_s    bigint   NOT NULL,
    caller_name   text     NOT NULL,
    caller_avatar text     NOT NULL,
    callee_name   text     NOT NULL,
    callee_avatar text     NOT NULL,
    deaf          boolean  NOT NULL  -- The record is the caller's alone.
) PARTITION BY RANGE (call_id);
CREATE TABLE records_other PARTITION OF records DEFAULT;
CREATE INDEX records_ended ON records (ended_ns);
CREATE INDEX records_deaf ON records (callee) WHERE deaf;

-- Who has a part in which ended calls and records, in the order in which they are listed. A row is
-- there while its call or its record is.
CREATE TABLE parties (
    account  text COLLATE "C" NOT NULL,
    ended_ns bigint NOT NULL,
    call_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (account, ended_ns, call_id)
);

-- Whom an account does not want to be called by.
CREATE TABLE blocks (
    account    text COLLATE "C" NOT NULL, -- Whom calls of the blocked account do not reach.
    blocked    text COLLATE "C" NOT NULL,
    created_ns bigint NOT NULL,
    PRIMARY KEY (account, blocked)
);
CREATE INDEX blocks_by_blocked ON blocks (blocked);

-- Leases of node incarnations. An expired one is kept for a minute.
CREATE TABLE leases (
    incarnation text COLLATE "C" NOT NULL PRIMARY KEY,
    until_ns    bigint   NOT NULL,
    begun_ns    bigint   NOT NULL,
    release     text     NOT NULL,
    format      smallint NOT NULL,
    address     text     NOT NULL,
    relay       text     NOT NULL
) WITH (fillfactor = 50);

-- The least version of tables that a program must know to use these. A migration that an older
-- program can work with leaves it as it is.
CREATE TABLE meta (
    one           boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    readable_from integer NOT NULL
);
INSERT INTO meta (readable_from) VALUES (1);

-- +goose Down
DROP TABLE meta;
DROP TABLE leases;
DROP TABLE blocks;
DROP TABLE parties;
DROP TABLE records;
DROP TABLE descriptions;
DROP TABLE claims;
DROP TABLE calls;
