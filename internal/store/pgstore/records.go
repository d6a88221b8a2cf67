package pgstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

const (
	// sqlListed finds records by what lists them: a row of parties may also be that of a call whose
	// record is another's. Reading them apart by their ids opens no partition but theirs.
	sqlListedForward = `
SELECT call_id, ended_ns FROM parties WHERE account = $1 AND (ended_ns, call_id) >= ($2, $3)
ORDER BY ended_ns, call_id LIMIT $4`
	sqlListedBack = `
SELECT call_id, ended_ns FROM parties WHERE account = $1 AND (ended_ns, call_id) < ($2, $3)
ORDER BY ended_ns DESC, call_id DESC LIMIT $4`

	sqlRecords = `
SELECT call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
	caller_name, caller_avatar, callee_name, callee_avatar, deaf
FROM records WHERE call_id = ANY ($1) AND (caller = $2 OR callee = $2 AND NOT deaf)`
)

// listed is a row of parties.
type listed struct {
	call  call.ID
	ended int64
}

// Records implements store.Store.
func (s *Store) Records(ctx context.Context, account call.Account, page store.Page) (records []call.Record, err error) {
	if store.IsAlias(account) || !fits(string(account)) || !fits(string(page.Call)) {
		return nil, nil
	}
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		records, err = listRecords(ctx, pool, account, page)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return records, nil
}

func listRecords(ctx context.Context, pool *pgxpool.Pool, account call.Account, page store.Page) ([]call.Record, error) {
	from := listed{ended: stored.Nanos(page.Time)}
	if page.Call != "" {
		beside, err := recordsOf(ctx, pool, account, []listed{{call: page.Call}})
		if err != nil || len(beside) == 0 {
			return nil, err
		}
		from = listed{page.Call, stored.Nanos(beside[0].EndedAt)}
		if page.Forward {
			from.call += "\x01" // The least text that follows it.
		}
	} else if !page.Forward && page.Time.IsZero() {
		from.ended = math.MaxInt64
	}
	var records []call.Record
	for len(records) < page.Limit {
		sql, limit := sqlListedBack, page.Limit-len(records)
		if page.Forward {
			sql = sqlListedForward
		}
		rows, _ := pool.Query(ctx, sql, string(account), from.ended, string(from.call), limit) // The rows have the error.
		places, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l listed, err error) {
			err = row.Scan((*string)(&l.call), &l.ended)
			return l, err
		})
		if err != nil || len(places) == 0 {
			return records, err
		}
		found, err := recordsOf(ctx, pool, account, places)
		if err != nil {
			return nil, err
		}
		records = append(records, found...)
		if len(places) < limit {
			break
		}
		from = places[len(places)-1]
		if page.Forward {
			from.call += "\x01"
		}
	}
	return records, nil
}

// recordsOf reads the records of an account that are at these places, in their order. A place
// without a time is that of any record of its id.
func recordsOf(ctx context.Context, pool *pgxpool.Pool, account call.Account, places []listed) ([]call.Record, error) {
	ids := make([]string, len(places))
	for i, l := range places {
		ids[i] = string(l.call)
	}
	rows, _ := pool.Query(ctx, sqlRecords, ids, string(account)) // The rows have the error.
	all, err := pgx.CollectRows(rows, scanRecord)
	if err != nil {
		return nil, err
	}
	found := make(map[call.ID]call.Record, len(all))
	for _, r := range all {
		found[r.Call] = r
	}
	var records []call.Record
	for _, l := range places {
		if r, ok := found[l.call]; ok && (l.ended == 0 || l.ended == stored.Nanos(r.EndedAt)) {
			records = append(records, r)
		}
	}
	return records, nil
}

func scanRecord(row pgx.CollectableRow) (r call.Record, err error) {
	var created, ended, seconds int64
	err = row.Scan((*string)(&r.Call), (*uint8)(&r.Kind), (*uint8)(&r.Type), (*string)(&r.Caller), (*string)(&r.Callee), (*uint8)(&r.Reason),
		&created, &ended, &seconds,
		&r.CallerCard.Name, &r.CallerCard.Avatar, &r.CalleeCard.Name, &r.CalleeCard.Avatar, &r.Deaf)
	r.CreatedAt, r.EndedAt, r.Duration = stored.Time(created), stored.Time(ended), time.Duration(seconds)*time.Second
	return r, err
}
