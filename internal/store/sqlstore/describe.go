package sqlstore

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/peal-rtc/peal/internal/call"
)

// The descriptions of a call lie beside it: most changes of a call leave them as
// they are.

const (
	sqlDescribe = `
		INSERT INTO descriptions (call_id, generation, offer, answer) VALUES ($1, $2, $3, $4)
		ON CONFLICT (call_id) DO UPDATE
		SET generation = excluded.generation, offer = excluded.offer, answer = excluded.answer`
	sqlForget = `DELETE FROM descriptions WHERE call_id = $1`
)

// described are the descriptions as they were written last by this process. That
// another one has written since does no harm: those of a generation are only
// ever added to.
type described struct {
	mu    sync.Mutex
	calls map[call.ID]call.Media
}

// describedMost bounds how many are kept in mind; what was forgotten is written again.
const describedMost = 1 << 16

func (d *described) has(c *call.Call) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was, ok := d.calls[c.ID]
	return ok && was.Generation == c.Media.Generation && was.Offer == c.Media.Offer && was.Answer == c.Media.Answer
}

// learn takes what a transaction has written, or, where it may have failed, what
// is not known any more.
func (d *described) learn(calls []*call.Call, written bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range calls {
		if !written || !c.Live() {
			delete(d.calls, c.ID)
			continue
		}
		if d.calls == nil || len(d.calls) >= describedMost {
			d.calls = make(map[call.ID]call.Media)
		}
		d.calls[c.ID] = c.Media
	}
}

// describe writes the descriptions of a call where they have changed.
func (b *batch) describe(c *call.Call) error {
	if b.described.has(c) {
		return nil
	}
	b.touched = append(b.touched, c)
	if c.Media.Offer == "" && c.Media.Answer == "" {
		_, err := b.exec(b.write.forget, c.ID)
		return err
	}
	_, err := b.exec(b.write.describe, c.ID, c.Media.Generation, string(c.Media.Offer), string(c.Media.Answer))
	return err
}

// encode gives all of a call but its descriptions.
func encode(c *call.Call) (string, error) {
	bare := *c
	bare.Media.Offer, bare.Media.Answer = "", ""
	body, err := json.Marshal(&bare)
	if err != nil {
		return "", fmt.Errorf("encode call: %w", err)
	}
	return string(body), nil
}

// scanCall puts a call and its descriptions together.
func scanCall(r row) (c call.Call, err error) {
	var (
		body          []byte
		generation    sql.NullInt64
		offer, answer sql.NullString
	)
	if err := r.Scan(&body, &generation, &offer, &answer); err != nil {
		return call.Call{}, err
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return call.Call{}, fmt.Errorf("decode call: %w", err)
	}
	if generation.Valid && generation.Int64 == int64(c.Media.Generation) {
		c.Media.Offer, c.Media.Answer = call.SDP(offer.String), call.SDP(answer.String)
	}
	return c, nil
}
