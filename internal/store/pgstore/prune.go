package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/peal-rtc/peal/internal/store/stored"
)

// pruneRows is how many rows one transaction deletes.
const pruneRows = 500

const (
	// sqlPruneCalls deletes a portion of the calls that ended before a time. What lists them stays
	// where it lists a record as well.
	sqlPruneCalls = `
WITH old AS MATERIALIZED (
	SELECT id, caller, callee, ended_ns FROM calls WHERE ended_ns < $1 ORDER BY ended_ns LIMIT $2 FOR UPDATE SKIP LOCKED
), stripped AS (
	DELETE FROM descriptions d USING old o WHERE d.call_id = o.id
), unlisted AS (
	DELETE FROM parties p USING old o
	WHERE p.account = ANY (ARRAY[o.caller, o.callee]) AND p.ended_ns = o.ended_ns AND p.call_id = o.id
		AND NOT EXISTS (SELECT FROM records r WHERE r.call_id = o.id AND r.ended_ns = o.ended_ns)
)
DELETE FROM calls c USING old o WHERE c.id = o.id`

	// sqlPruneRecords deletes a portion of the records of a partition that ended before a time.
	sqlPruneRecords = `
WITH old AS MATERIALIZED (
	SELECT call_id, caller, callee, ended_ns FROM %[1]s WHERE ended_ns < $1 ORDER BY ended_ns LIMIT $2 FOR UPDATE SKIP LOCKED
), unlisted AS (
	DELETE FROM parties p USING old o
	WHERE p.account = ANY (ARRAY[o.caller, o.callee]) AND p.ended_ns = o.ended_ns AND p.call_id = o.call_id
		AND NOT EXISTS (SELECT FROM calls c WHERE c.id = o.call_id AND c.ended_ns = o.ended_ns)
)
DELETE FROM %[1]s r USING old o WHERE r.call_id = o.call_id`

	// sqlUnlist deletes a portion of what lists the records of a partition.
	sqlUnlist = `
WITH old AS MATERIALIZED (
	SELECT call_id, caller, callee, ended_ns FROM %[1]s WHERE call_id > $1 ORDER BY call_id LIMIT $2
), unlisted AS (
	DELETE FROM parties p USING old o
	WHERE p.account = ANY (ARRAY[o.caller, o.callee]) AND p.ended_ns = o.ended_ns AND p.call_id = o.call_id
		AND NOT EXISTS (SELECT FROM calls c WHERE c.id = o.call_id AND c.ended_ns = o.ended_ns)
)
SELECT count(*), coalesce(max(call_id), '') FROM old`

	sqlPartitions = `
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'records'::regclass AND c.relname LIKE 'records\_2%' ORDER BY 1`
)

// Prune implements store.Store. A record goes with the others of its day, when all of that day are
// old, so up to a day late; one whose id has a false time goes at once.
func (s *Store) Prune(ctx context.Context, callsBefore, recordsBefore time.Time) (rows int, err error) {
	if rows, err = s.portions(ctx, sqlPruneCalls, stored.Nanos(callsBefore)); err != nil {
		return rows, fmt.Errorf("prune calls: %w", err)
	}
	n, err := s.portions(ctx, fmt.Sprintf(sqlPruneRecords, "records_other"), stored.Nanos(recordsBefore))
	rows += n
	if err != nil {
		return rows, fmt.Errorf("prune records: %w", err)
	}
	n, err = s.dropPartitions(ctx, recordsBefore)
	rows += n
	if err != nil {
		return rows, fmt.Errorf("drop records: %w", err)
	}
	now, err := s.Now(ctx)
	if err != nil {
		return rows, err
	}
	return rows, s.addPartitions(ctx, now)
}

// portions runs a statement that deletes a portion until there is none left.
func (s *Store) portions(ctx context.Context, sql string, before int64) (rows int, err error) {
	for n := int64(pruneRows); n == pruneRows; rows += int(n) {
		if err := ctx.Err(); err != nil {
			return rows, err
		}
		err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
			done, err := tx.Exec(ctx, sql, before, pruneRows)
			n = done.RowsAffected()
			return err
		})
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

const (
	// partitionPrefix is followed by the day whose ids a partition holds.
	partitionPrefix = "records_"
	partitionDay    = "20060102"
	day             = 24 * time.Hour
	// ahead is for how many days partitions are made.
	ahead = 7
	// catalogLock is held by who changes partitions.
	catalogLock = 0x7065616c // "peal".
	// catalogPatience is how long a change of partitions waits for those who use the table. Commits
	// wait behind it as long.
	catalogPatience = "100ms"
)

// leastID is the least id of a day.
func leastID(at time.Time) string {
	ms := at.UnixMilli()
	return fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff)
}

// dropPartitions drops the partitions of days whose records are all old.
func (s *Store) dropPartitions(ctx context.Context, before time.Time) (rows int, err error) {
	names, err := collect(ctx, s, pgx.RowTo[string], sqlPartitions)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		of, err := time.Parse(partitionPrefix+partitionDay, name)
		if err != nil || !of.Add(day).Before(before) {
			continue
		}
		n, err := s.dropPartition(ctx, pgx.Identifier{name}.Sanitize(), stored.Nanos(before))
		rows += n
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// dropPartition drops one partition, after what lists its records.
func (s *Store) dropPartition(ctx context.Context, name string, before int64) (rows int, err error) {
	var young bool
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+name+` WHERE ended_ns >= $1)`, before).Scan(&young)
	})
	if err != nil || young {
		return 0, err
	}
	after := ""
	for n := pruneRows; n == pruneRows; rows += n {
		err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
			return tx.QueryRow(ctx, fmt.Sprintf(sqlUnlist, name), after, pruneRows).Scan(&n, &after)
		})
		if err != nil {
			return 0, err
		}
	}
	changed, err := s.changeCatalog(ctx, `DROP TABLE IF EXISTS `+name)
	if !changed {
		rows = 0
	}
	return rows, err
}

// addPartitions makes the partitions of the days to come.
func (s *Store) addPartitions(ctx context.Context, now time.Time) error {
	names, err := collect(ctx, s, pgx.RowTo[string], sqlPartitions)
	if err != nil {
		return fmt.Errorf("list partitions: %w", err)
	}
	there := " " + strings.Join(names, " ") + " "
	for i := -1; i <= ahead; i++ {
		from := now.UTC().Truncate(day).Add(time.Duration(i) * day)
		name := from.Format(partitionPrefix + partitionDay)
		if strings.Contains(there, " "+name+" ") {
			continue
		}
		least, above := leastID(from), leastID(from.Add(day))
		if _, err := s.changeCatalog(ctx,
			fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (LIKE records INCLUDING ALL)`, name),
			// Ids whose time was ahead.
			fmt.Sprintf(`WITH moved AS (DELETE FROM records_other WHERE call_id >= '%[2]s' AND call_id < '%[3]s' RETURNING *)
				INSERT INTO %[1]s SELECT * FROM moved`, name, least, above),
			fmt.Sprintf(`ALTER TABLE records ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')`, name, least, above),
		); err != nil {
			return fmt.Errorf("add partition %s: %w", name, err)
		}
	}
	return nil
}

// changeCatalog runs statements in a transaction, unless another node changes partitions or those
// who use them do not let go soon: then a later pruning does it.
func (s *Store) changeCatalog(ctx context.Context, statements ...string) (changed bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, int64(catalogLock)).Scan(&changed); err != nil || !changed {
			return err
		}
		for _, statement := range append([]string{`SET LOCAL lock_timeout = '` + catalogPatience + `'`}, statements...) {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return later(err)
			}
		}
		return nil
	})
	if errors.Is(err, errLater) {
		return false, nil
	}
	return changed, err
}

// errLater says that the time for a change of partitions was not good.
var errLater = errors.New("the table is in use")

// later finds the errors of a lock that is taken and of a partition that another node has made.
func later(err error) error {
	var failed *pgconn.PgError
	if errors.As(err, &failed) && (failed.Code == "55P03" || failed.Code == "42P07" || failed.Code == "42809") {
		return errLater
	}
	return err
}
