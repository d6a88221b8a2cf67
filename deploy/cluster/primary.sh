#!/bin/sh
# Prepares the primary: the role and the database of Peal, and the role and the slot of the standby.
# PostgreSQL's image runs it once, when the data folder is new.
set -eu

psql -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d postgres \
  -v peal="$PEAL_DATABASE_PASSWORD" -v standby="$PEAL_STANDBY_PASSWORD" <<'SQL'
CREATE ROLE peal LOGIN PASSWORD :'peal';
CREATE DATABASE peal OWNER peal;
REVOKE CONNECT, TEMPORARY ON DATABASE peal FROM PUBLIC;
CREATE ROLE standby LOGIN REPLICATION PASSWORD :'standby';
SELECT pg_create_physical_replication_slot('standby');
-- In effect from the next start on: from then each commit waits for the standby.
ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (standby)';
SQL
echo 'host replication standby all scram-sha-256' >>"$PGDATA/pg_hba.conf"
