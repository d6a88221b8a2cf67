-- A journal in place of the tables that decided: the server holds live calls in memory and
-- only writes them. Migration 4 is Go around these statements: see toJournal. It reads
-- the bodies of calls, which were JSON, and drops the old tables.

-- Live calls, one row each, which goes with the end.
CREATE TABLE live (
    slot         INTEGER NOT NULL PRIMARY KEY, -- Used again, so that the table stays small.
    id           TEXT    NOT NULL,
    changed_ns   INTEGER NOT NULL, -- The store's time of the last change.
    body         BLOB    NOT NULL, -- peal.stored.v1.Call.
    descriptions BLOB              -- peal.stored.v1.Descriptions; NULL for none.
) STRICT;

-- Calls that ended lately, for commands that are repeated.
CREATE TABLE ended (
    id       TEXT    NOT NULL PRIMARY KEY,
    ended_ns INTEGER NOT NULL,
    body     BLOB    NOT NULL  -- peal.stored.v1.Call.
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_by_time ON ended (ended_ns);

-- Who has which records, in the order in which they are listed.
CREATE TABLE parties (
    account  TEXT    NOT NULL,
    ended_ns INTEGER NOT NULL,
    call_id  TEXT    NOT NULL,
    PRIMARY KEY (account, ended_ns, call_id)
) STRICT, WITHOUT ROWID;
INSERT INTO parties (account, ended_ns, call_id)
    SELECT caller, ended_ns, call_id FROM records
    UNION ALL SELECT callee, ended_ns, call_id FROM records
    ORDER BY 1, 2, 3;
CREATE TRIGGER records_pruned AFTER DELETE ON records BEGIN
    DELETE FROM parties WHERE account = OLD.caller AND ended_ns = OLD.ended_ns AND call_id = OLD.call_id;
    DELETE FROM parties WHERE account = OLD.callee AND ended_ns = OLD.ended_ns AND call_id = OLD.call_id;
END;
DROP INDEX records_by_caller;
DROP INDEX records_by_callee;

-- When the server wrote last while no call changed.
CREATE TABLE clock (
    row        INTEGER NOT NULL PRIMARY KEY CHECK (row = 1),
    touched_ns INTEGER NOT NULL
) STRICT;
INSERT INTO clock (row, touched_ns) SELECT 1, coalesce(max(changed_ns), 0) FROM calls;

DROP TABLE leases;
DROP TABLE claims;
