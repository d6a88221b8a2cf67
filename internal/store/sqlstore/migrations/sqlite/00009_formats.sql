-- A call says from here on which format it has. Calls from before have the first: no row changes.

-- +goose Up
SELECT 1;

-- +goose Down
SELECT 1;
