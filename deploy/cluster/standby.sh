#!/bin/sh
# Starts the standby. The first time it copies the primary, whose address and password PGHOST and
# PGPASSWORD tell. A copy that was interrupted begins again.
set -eu

if [ ! -d "$PGDATA" ]; then
  rm -rf "$PGDATA.part"
  pg_basebackup --pgdata="$PGDATA.part" --slot=standby --wal-method=stream --checkpoint=fast \
    --write-recovery-conf
  mv "$PGDATA.part" "$PGDATA"
fi
# These are of the client: PostgreSQL would take the port for its own.
unset PGHOST PGPORT PGUSER PGPASSWORD
# The name is what synchronous_standby_names of the primary has. The copy above goes without it:
# the primary would take a copy that is not complete for the standby. Its settings are the primary's,
# but a standby that was promoted must not wait for itself.
exec postgres -c cluster_name=standby -c synchronous_standby_names= "$@"
