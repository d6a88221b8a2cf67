-- What backends hear of, and what belongs to no one call. Times are Unix nanoseconds.

-- +goose Up

-- The database's time, by which all deadlines go.
-- +goose StatementBegin
CREATE FUNCTION now_ns() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000
$$;
-- +goose StatementEnd

-- Events are stored in the transaction of the change that they tell of. The table is empty while
-- there is neither an API key nor an endpoint.
CREATE TABLE events (
    seq     bigint   NOT NULL PRIMARY KEY, -- See number_events.
    xid     xid8     NOT NULL,             -- The transaction: see number_events.
    call_id text COLLATE "C" NOT NULL,
    rev     bigint   NOT NULL,
    at_ns   bigint   NOT NULL, -- The database's time of the commit.
    kind    smallint NOT NULL,
    merged  text COLLATE "C",  -- Of call.merged: the id of the invitation that was merged.
    filed   boolean  NOT NULL, -- Of call.ended: whether the record was filed.
    caller  text COLLATE "C" NOT NULL,
    callee  text COLLATE "C" NOT NULL,
    body    bytea    NOT NULL  -- peal.stored.v1.Call: the call after the change.
);
-- By these the events of an account that is erased are found.
CREATE INDEX events_by_caller ON events (caller);
CREATE INDEX events_by_callee ON events (callee);

CREATE SEQUENCE event_seqs MINVALUE 0 START 0;

CREATE TABLE endpoints (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id      text COLLATE "C" UNIQUE, -- NULL: deleted, while what waits for it is not.
    enabled boolean NOT NULL,
    kinds   bigint  NOT NULL,        -- A bit for each kind of event that it receives.
    gone_ns bigint,                  -- When it was deleted.
    body    text    NOT NULL         -- store.Endpoint as JSON.
);

-- A row for each event that waits for an endpoint. It goes when the endpoint has the event.
CREATE TABLE deliveries (
    endpoint bigint NOT NULL,
    call_id  text COLLATE "C" NOT NULL,
    seq      bigint NOT NULL,
    tries    bigint NOT NULL,
    due_ns   bigint NOT NULL,
    owner    text COLLATE "C" NOT NULL DEFAULT '', -- Who leased it last.
    until_ns bigint NOT NULL DEFAULT 0,            -- When the lease expires. Never index these two.
    PRIMARY KEY (endpoint, call_id, seq)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX deliveries_due ON deliveries (endpoint, due_ns, seq);

-- What was given up.
CREATE TABLE dead (
    endpoint bigint NOT NULL,
    seq      bigint NOT NULL,
    tries    bigint NOT NULL,
    at_ns    bigint NOT NULL,
    reason   text   NOT NULL,
    PRIMARY KEY (endpoint, seq)
);

CREATE TABLE keys (
    id           text COLLATE "C" NOT NULL PRIMARY KEY,
    sha256       bytea  NOT NULL, -- Of the secret, which is not stored.
    scopes       text   NOT NULL, -- Separated by commas.
    created_ns   bigint NOT NULL,
    last_used_ns bigint,          -- To the minute; NULL for never.
    revoked_ns   bigint           -- NULL for a key that is good.
);

CREATE TABLE audit (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ns      bigint NOT NULL,
    key_id     text   NOT NULL,
    action     text COLLATE "C" NOT NULL,
    target     text COLLATE "C" NOT NULL, -- Of account.…: an account, or the alias of one that was erased.
    other      text COLLATE "C" NOT NULL, -- A second account.
    request_id text   NOT NULL,
    addr       text   NOT NULL,
    status     bigint NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_ns);
-- What an account that is erased is looked for by.
CREATE INDEX audit_by_target ON audit (target) WHERE starts_with(action, 'account.');
CREATE INDEX audit_by_other ON audit (other) WHERE starts_with(action, 'account.') AND other <> '';

-- Which tokens of an account are admitted. The alias is a hash, so that an account which is
-- erased leaves no name here.
CREATE TABLE accounts (
    alias         text COLLATE "C" NOT NULL PRIMARY KEY,
    not_before_ns bigint NOT NULL
);

-- What aliases are made with, and counters of changes, by which each node sees those of others.
CREATE TABLE books (
    one              boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    salt             bytea   NOT NULL,
    changes          bigint  NOT NULL DEFAULT 0, -- Of keys and log-outs.
    endpoint_changes bigint  NOT NULL DEFAULT 0,
    erasures         bigint  NOT NULL DEFAULT 0, -- Of events: see store.Outbox.Stale.
    counted_ns       bigint  NOT NULL DEFAULT 0  -- When a node counted what waits for endpoints.
) WITH (fillfactor = 50);
INSERT INTO books (salt) VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- number_events gives this transaction n numbers for its events, where anybody wants events: this
-- node does (recorded), or an endpoint exists. The first number and the time are left to the
-- statement that stores the events, in the setting peal.events, which ends with the transaction.
--
-- A number is the microsecond of the database, or a little more, and above each number that was
-- ever given. The order of numbers is that of transactions: under one lock a transaction is given
-- both its xid and its numbers. So where a transaction has an xid below pg_snapshot_xmin of a
-- snapshot, each event with a number that is not above its numbers was committed in that
-- snapshot, or never will be. Readers of events in order go by that.
--
-- Sequences are not undone by a rollback. So the block below gives back its lock by ending in an
-- error, which is caught: what it did stays, and nobody waits for the end of the transaction.
-- +goose StatementBegin
CREATE FUNCTION number_events(n bigint, recorded boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first bigint;
    now   bigint;
BEGIN
    PERFORM set_config('peal.events', '', true);
    IF NOT recorded AND NOT EXISTS (SELECT FROM endpoints WHERE id IS NOT NULL) THEN
        RETURN;
    END IF;
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'events must be numbered before anything is written';
    END IF;
    BEGIN
        PERFORM pg_advisory_xact_lock(1885692268, 1);
        PERFORM pg_current_xact_id();
        now := now_ns();
        SELECT greatest(last_value + 1, now / 1000) INTO first FROM event_seqs;
        PERFORM setval('event_seqs', first + n - 1);
        RAISE EXCEPTION USING ERRCODE = 'PE001';
    EXCEPTION WHEN SQLSTATE 'PE001' THEN
        NULL;
    END;
    PERFORM set_config('peal.events', first || ',' || now, true);
END $$;
-- +goose StatementEnd

-- shown_event is the number of the newest event that readers in order may see, where they may see
-- all up to known. A transaction of somebody else that runs for long keeps younger events from
-- them, and not those that are older than 10 minutes, which no transaction of ours lasts. After a
-- dump was restored elsewhere, its xids mean nothing there: the age counts then, too. It looks at
-- 10,000 events.
-- +goose StatementBegin
CREATE FUNCTION shown_event(known bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT seq FROM (SELECT seq, xid FROM events WHERE seq > known ORDER BY seq LIMIT 10000) AS looked
        WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) OR seq < (SELECT now_ns() / 1000 - 600000000)
        ORDER BY seq DESC LIMIT 1), known)
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION shown_event;
DROP FUNCTION number_events;
DROP TABLE books;
DROP TABLE accounts;
DROP TABLE audit;
DROP TABLE keys;
DROP TABLE dead;
DROP TABLE deliveries;
DROP TABLE endpoints;
DROP SEQUENCE event_seqs;
DROP TABLE events;
DROP FUNCTION now_ns;
