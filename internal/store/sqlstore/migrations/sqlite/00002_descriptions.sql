-- Session descriptions are large and change seldom, so that a change of a call
-- does not write them again. Those of ended calls are deleted.

-- +goose Up
CREATE TABLE descriptions (
    call_id    TEXT    NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL, -- Of the media. Those of another than the call's count for nothing.
    offer      TEXT    NOT NULL,
    answer     TEXT    NOT NULL
) STRICT;

-- +goose Down
DROP TABLE descriptions;
