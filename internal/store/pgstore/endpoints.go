package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// reload reads the endpoints, where others changed them.
func (o *outbox) reload(ctx context.Context) error {
	var version int64
	var endpoints map[string]store.Endpoint
	err := o.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		endpoints = make(map[string]store.Endpoint)
		// One statement, so that the endpoints are those of the version.
		rows, err := pool.Query(ctx, `
			SELECT endpoint_changes, coalesce(number, 0), coalesce(body, '') FROM books LEFT JOIN endpoints ON id IS NOT NULL`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var number int64
			var body []byte
			if err := rows.Scan(&version, &number, &body); err != nil {
				return err
			}
			if number == 0 {
				continue // There is none.
			}
			e, err := decodeEndpoint(number, body)
			if err != nil {
				return err
			}
			endpoints[e.ID] = e
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read endpoints: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if version > o.version {
		o.version, o.endpoints = version, endpoints
		o.Announce()
	}
	return nil
}

func decodeEndpoint(number int64, body []byte) (e store.Endpoint, err error) {
	if err := json.Unmarshal(body, &e); err != nil {
		return store.Endpoint{}, fmt.Errorf("decode endpoint: %w", err)
	}
	e.Number = number
	return e, nil
}

// changedTo takes a change of an endpoint that this node made; nil for one that is deleted.
func (o *outbox) changedTo(ctx context.Context, version int64, id string, e *store.Endpoint) {
	o.mu.Lock()
	next := version == o.version+1
	if version > o.version {
		if e == nil {
			delete(o.endpoints, id)
		} else {
			o.endpoints[id] = e.Clone()
		}
	}
	if next {
		o.version = version
	}
	o.Announce()
	o.mu.Unlock()
	if !next {
		// Another node changed something just before. Where this fails the next poll sees it.
		if err := o.reload(ctx); err != nil {
			o.store.log.WarnContext(ctx, "cannot read webhook endpoints that another node changed", "error", err)
		}
	}
}

// PutEndpoint implements store.Outbox.
func (o *outbox) PutEndpoint(ctx context.Context, id string, change func(*store.Endpoint) error, by ...store.Audit) (store.Endpoint, error) {
	return o.put(ctx, id, true, func(e *store.Endpoint, _ time.Time) error { return change(e) }, by)
}

// put makes or changes an endpoint. One change at a time is made in all nodes.
func (o *outbox) put(
	ctx context.Context, id string, create bool, change func(*store.Endpoint, time.Time) error, by []store.Audit,
) (e store.Endpoint, err error) {
	var version int64
	var refused error // Given back as it is.
	err = o.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `UPDATE books SET endpoint_changes = endpoint_changes + 1 RETURNING endpoint_changes`).Scan(&version); err != nil {
			return err
		}
		var now time.Time
		if e, now, err = o.current(ctx, tx, id, create); err != nil {
			return err
		}
		changed := e.Clone()
		if refused = change(&changed, now); refused != nil {
			return refused
		}
		changed.ID, changed.Number = id, e.Number
		if refused = changed.Validate(); refused != nil {
			return refused
		}
		e = changed.Clone() // Who made the change may have kept what it was given.
		if err := storeEndpoint(ctx, tx, &e); err != nil {
			return err
		}
		return fileAll(ctx, tx, by)
	})
	switch {
	case err != nil && refused != nil:
		return store.Endpoint{}, refused
	case err != nil:
		return store.Endpoint{}, fmt.Errorf("put endpoint: %w", err)
	}
	o.changedTo(ctx, version, id, &e)
	return e, nil
}

// current reads an endpoint that is to be changed, and the time. Where there is none it begins one.
func (o *outbox) current(ctx context.Context, tx pgx.Tx, id string, create bool) (e store.Endpoint, now time.Time, err error) {
	var number, at int64
	var body []byte
	err = tx.QueryRow(ctx, `SELECT number, body, now_ns() FROM endpoints WHERE id = $1`, id).Scan(&number, &body, &at)
	if err == nil {
		e, err = decodeEndpoint(number, body)
		return e, stored.Time(at), err
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return store.Endpoint{}, time.Time{}, err
	}
	if !create {
		return store.Endpoint{}, time.Time{}, store.ErrNoEndpoint
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*), now_ns() FROM endpoints WHERE id IS NOT NULL`).Scan(&n, &at); err != nil {
		return store.Endpoint{}, time.Time{}, err
	}
	if n >= store.EndpointsMost {
		return store.Endpoint{}, time.Time{}, store.ErrEndpoints
	}
	now = stored.Time(at)
	return store.Endpoint{ID: id, CreatedAt: now}, now, nil
}

// storeEndpoint writes an endpoint, and gives one that is new a number.
func storeEndpoint(ctx context.Context, tx pgx.Tx, e *store.Endpoint) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode endpoint: %w", err)
	}
	if e.Number == 0 {
		return tx.QueryRow(ctx, `INSERT INTO endpoints (id, enabled, kinds, body) VALUES ($1, $2, $3, $4) RETURNING number`,
			e.ID, e.Enabled(), int64(e.Kinds()), string(body)).Scan(&e.Number)
	}
	_, err = tx.Exec(ctx, `UPDATE endpoints SET enabled = $2, kinds = $3, body = $4 WHERE number = $1`,
		e.Number, e.Enabled(), int64(e.Kinds()), string(body))
	return err
}

// DeleteEndpoint implements store.Outbox.
func (o *outbox) DeleteEndpoint(ctx context.Context, id string, by ...store.Audit) error {
	var version int64
	err := o.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `UPDATE books SET endpoint_changes = endpoint_changes + 1 RETURNING endpoint_changes`).Scan(&version); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, `UPDATE endpoints SET id = NULL, enabled = false, body = '', gone_ns = now_ns() WHERE id = $1`, id)
		switch {
		case err != nil:
			return err
		case done.RowsAffected() == 0:
			return store.ErrNoEndpoint
		}
		return fileAll(ctx, tx, by)
	})
	if err != nil {
		return fmt.Errorf("delete endpoint: %w", err)
	}
	o.changedTo(ctx, version, id, nil)
	return nil
}

// number is that of an endpoint, with what it asks for. Another node may have made it just now.
func (o *outbox) number(ctx context.Context, id string) (store.Endpoint, error) {
	for tries := 0; ; tries++ {
		o.mu.Lock()
		e, ok := o.endpoints[id]
		o.mu.Unlock()
		switch {
		case ok:
			return e, nil
		case tries > 0:
			return store.Endpoint{}, store.ErrNoEndpoint
		}
		if err := o.reload(ctx); err != nil {
			return store.Endpoint{}, err
		}
	}
}
