-- How the two people of a record were shown: the claims of their tokens at the time of the
-- call. Empty where a token had none, and in records from before this migration.

-- +goose Up
ALTER TABLE records ADD COLUMN caller_name   TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN caller_avatar TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN callee_name   TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN callee_avatar TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE records DROP COLUMN caller_name;
ALTER TABLE records DROP COLUMN caller_avatar;
ALTER TABLE records DROP COLUMN callee_name;
ALTER TABLE records DROP COLUMN callee_avatar;
