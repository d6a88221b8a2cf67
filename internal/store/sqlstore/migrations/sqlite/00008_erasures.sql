-- How far the erasure of an account came that was cut off. A row goes with the end of the erasure.

-- +goose Up
CREATE TABLE erasures (
    alias    TEXT    NOT NULL PRIMARY KEY, -- A hash: no name of an account is here.
    ended_ns INTEGER NOT NULL,             -- No call that ended earlier has the account.
    seq      INTEGER NOT NULL              -- No event up to this one has it.
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE erasures;
