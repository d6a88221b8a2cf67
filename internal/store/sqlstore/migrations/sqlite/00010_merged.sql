-- From here on a tombstone may say which call its invitation was merged into. No row changes.

-- +goose Up
SELECT 1;

-- +goose Down
SELECT 1;
