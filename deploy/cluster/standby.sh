#!/bin/sh
# Starts the standby. The first time it copies the primary, whose address and password PGHOST and
# PGPASSWORD tell. Its name is what synchronous_standby_names of the primary has.
set -eu

chmod 0700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  pg_basebackup --pgdata="$PGDATA" --dbname="application_name=standby" --slot=standby \
    --wal-method=stream --checkpoint=fast --write-recovery-conf
fi
# These are of the client: PostgreSQL would take the port for its own.
unset PGHOST PGPORT PGUSER PGPASSWORD
exec postgres "$@"
