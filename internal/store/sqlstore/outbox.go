package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// The statements of events, endpoints and deliveries that write.
const (
	sqlEvent = `
		INSERT INTO events (seq, call_id, rev, at_ns, kind, merged, filed, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	sqlQueue = `INSERT INTO deliveries (endpoint, call_id, seq, tries, due_ns) VALUES `
	// A row of sqlQueue. An event after one that is being retried waits as long: see sqlDelay.
	sqlQueueRow = `(?%[1]d, ?%[2]d, ?%[3]d, 0, max(?%[4]d, coalesce((
		SELECT due_ns FROM deliveries AS head WHERE head.endpoint = ?%[1]d AND head.call_id = ?%[2]d ORDER BY head.seq LIMIT 1), 0)))`
	sqlNewEndpoint  = `INSERT INTO endpoints (id, body) VALUES ($1, $2)`
	sqlEndpoint     = `UPDATE endpoints SET body = $2 WHERE number = $1`
	sqlDropEndpoint = `UPDATE endpoints SET id = NULL, body = '' WHERE number = $1`

	sqlSettle = `DELETE FROM deliveries WHERE endpoint = $1 AND call_id = $2 AND seq = $3`
	sqlRetry  = `UPDATE deliveries SET tries = tries + 1 WHERE endpoint = $1 AND call_id = $2 AND seq = $3`
	// The later events of the call wait as long: else they would come before events that are due.
	sqlDelay = `UPDATE deliveries SET due_ns = $4 WHERE endpoint = $1 AND call_id = $2 AND seq >= $3`
	sqlBury  = `
		INSERT INTO dead (endpoint, seq, tries, at_ns, reason)
		SELECT endpoint, seq, tries + 1, $4, $5 FROM deliveries WHERE endpoint = $1 AND call_id = $2 AND seq = $3`
	sqlUnbury = `DELETE FROM dead WHERE endpoint = $1 AND seq = $2`
	// It is due no later than the next event of the call, which has to wait for it, and no earlier than
	// the event before.
	sqlRequeue = `
		INSERT INTO deliveries (endpoint, call_id, seq, tries, due_ns)
		SELECT $1, call_id, seq, 0, max(
			min($3, coalesce((
				SELECT due_ns FROM deliveries AS later WHERE later.endpoint = $1 AND later.call_id = events.call_id AND later.seq > events.seq
				ORDER BY later.seq LIMIT 1), $3)),
			coalesce((
				SELECT due_ns FROM deliveries AS former WHERE former.endpoint = $1 AND former.call_id = events.call_id AND former.seq < events.seq
				ORDER BY former.seq DESC LIMIT 1), 0))
		FROM events WHERE seq = $2 ON CONFLICT DO NOTHING`

	sqlExpire = `
		DELETE FROM deliveries WHERE endpoint = $1 AND (call_id, seq) IN
			(SELECT call_id, seq FROM events WHERE seq > $2 AND seq <= $3)`
	sqlExpireDead = `DELETE FROM dead WHERE endpoint = $1 AND seq > $2 AND seq <= $3`
	// CROSS JOIN keeps the order: there are few endpoints, and many deliveries.
	sqlUnwanted = `
			NOT EXISTS (SELECT 1 FROM endpoints CROSS JOIN deliveries
				ON endpoint = number AND deliveries.call_id = events.call_id AND deliveries.seq = events.seq WHERE id IS NOT NULL)
			AND NOT EXISTS (SELECT 1 FROM endpoints CROSS JOIN dead ON endpoint = number AND dead.seq = events.seq WHERE id IS NOT NULL)`
	sqlPruneEvent = `DELETE FROM events WHERE seq = $1 AND` + sqlUnwanted
	sqlLeftQueued = `
		DELETE FROM deliveries WHERE (endpoint, call_id, seq) IN
			(SELECT endpoint, call_id, seq FROM deliveries WHERE endpoint = $1 LIMIT $2)`
	sqlLeftDead = `DELETE FROM dead WHERE (endpoint, seq) IN (SELECT endpoint, seq FROM dead WHERE endpoint = $1 LIMIT $2)`
	sqlForget   = `DELETE FROM endpoints WHERE number = $1 AND id IS NULL`
)

// queueColumns is the number of values of a row of sqlQueue.
const queueColumns = 4

// queueSizes are the numbers of rows that the statements of queue insert.
var queueSizes = [...]int{16, 4, 1}

// outboxStatements are the prepared statements.
type outboxStatements struct {
	event                               driver.StmtExecContext
	queue                               [len(queueSizes)]driver.StmtExecContext
	newEndpoint, endpoint, dropEndpoint driver.StmtExecContext
	settle, retry, delay, bury          driver.StmtExecContext
	unbury, requeue                     driver.StmtExecContext
	expire, expireDead, prune           driver.StmtExecContext
	leftQueued, leftDead, forget        driver.StmtExecContext
}

func (o *outboxStatements) statements() map[string]*driver.StmtExecContext {
	statements := map[string]*driver.StmtExecContext{
		sqlEvent: &o.event, sqlNewEndpoint: &o.newEndpoint, sqlEndpoint: &o.endpoint, sqlDropEndpoint: &o.dropEndpoint,
		sqlSettle: &o.settle, sqlRetry: &o.retry, sqlDelay: &o.delay, sqlBury: &o.bury,
		sqlUnbury: &o.unbury, sqlRequeue: &o.requeue,
		sqlExpire: &o.expire, sqlExpireDead: &o.expireDead, sqlPruneEvent: &o.prune,
		sqlLeftQueued: &o.leftQueued, sqlLeftDead: &o.leftDead, sqlForget: &o.forget,
	}
	for i, n := range queueSizes {
		statements[queueOf(n)] = &o.queue[i]
	}
	return statements
}

// queueOf is the statement that queues n deliveries.
func queueOf(n int) string {
	rows := make([]string, n)
	for i := range rows {
		first := queueColumns*i + 1
		rows[i] = fmt.Sprintf(sqlQueueRow, first, first+1, first+2, first+3)
	}
	return sqlQueue + strings.Join(rows, ", ")
}

// putEvents writes the events of one call. Body is the encoding of its newest state.
func (w *writer) putEvents(e *store.Entry, body []byte, filed bool) error {
	for i := range e.Events {
		event := &e.Events[i]
		text := body
		if event.Call.Rev != e.Call.Rev {
			var err error
			if text, err = stored.Encode(event.Call); err != nil {
				return err
			}
		}
		var merged driver.Value
		if event.Merged != "" {
			merged = string(event.Merged)
		}
		event.Filed = filed && event.Kind == call.EventEnded
		_, err := w.exec(w.outbox.event, event.Seq, string(event.Call.ID), int64(event.Call.Rev),
			stored.Nanos(event.At), int64(event.Kind), merged, event.Filed, text)
		if err != nil {
			return err
		}
	}
	return nil
}

// queue writes the deliveries of a batch.
func (w *writer) queue(batch []store.Entry) error {
	var rows []driver.Value
	for i := range batch {
		for j := range batch[i].Events {
			e := &batch[i].Events[j]
			for _, number := range e.To {
				rows = append(rows, number, string(e.Call.ID), e.Seq, stored.Nanos(e.At))
			}
		}
	}
	for i, n := range queueSizes {
		for ; len(rows) >= n*queueColumns; rows = rows[n*queueColumns:] {
			if _, err := w.exec(w.outbox.queue[i], rows[:n*queueColumns]...); err != nil {
				return err
			}
		}
	}
	return nil
}

// Outbox implements store.Journal.
func (j *journal) Outbox(ctx context.Context) (last int64, endpoints []store.StoredEndpoint, err error) {
	err = j.reader.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM events`).Scan(&last)
	if err != nil {
		return 0, nil, fmt.Errorf("read newest event: %w", named(err))
	}
	rows, err := j.reader.QueryContext(ctx, `
		SELECT number, body, (SELECT count(*) FROM deliveries WHERE endpoint = number),
			(SELECT coalesce(min(seq), 0) FROM deliveries WHERE endpoint = number), (SELECT count(*) FROM dead WHERE endpoint = number)
		FROM endpoints WHERE id IS NOT NULL`)
	err = each(rows, err, func(r row) error {
		var e store.StoredEndpoint
		var body []byte
		if err := r.Scan(&e.Number, &body, &e.Queued, &e.Oldest, &e.Dead); err != nil {
			return err
		}
		number := e.Number
		if err := json.Unmarshal(body, &e.Endpoint); err != nil {
			return fmt.Errorf("decode endpoint: %w", err)
		}
		e.Number = number
		endpoints = append(endpoints, e)
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("read endpoints: %w", named(err))
	}
	return last, endpoints, nil
}

// PutEndpoint implements store.Journal.
func (j *journal) PutEndpoint(e *store.Endpoint, by ...store.Audit) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("%w: encode endpoint: %w", store.ErrNotDone, err)
	}
	number := e.Number
	err = j.writes(1+len(by), func(w *writer) error {
		if err := w.fileAll(by); err != nil {
			return err
		}
		if e.Number != 0 {
			_, err := w.exec(w.outbox.endpoint, e.Number, string(body))
			return err
		}
		done, err := w.execResult(w.outbox.newEndpoint, e.ID, string(body))
		if err == nil {
			number, err = done.LastInsertId()
		}
		return err
	})
	if err == nil {
		e.Number = number
	}
	return err
}

// DeleteEndpoint implements store.Journal.
func (j *journal) DeleteEndpoint(number int64, by ...store.Audit) error {
	return j.writes(1+len(by), func(w *writer) error {
		if _, err := w.exec(w.outbox.dropEndpoint, number); err != nil {
			return err
		}
		return w.fileAll(by)
	})
}

// writes runs do in a transaction that makes about so many changes.
func (j *journal) writes(changes int, do func(*writer) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changes += changes
	return j.transact(do)
}

// Settle implements store.Journal.
func (j *journal) Settle(now time.Time, settled []store.Settlement) (counts map[int64]store.Counts, err error) {
	counts = make(map[int64]store.Counts)
	err = j.writes(len(settled), func(w *writer) error {
		for i := range settled {
			rows, err := w.settle(now, &settled[i])
			if err != nil {
				return err
			}
			c := counts[settled[i].Delivery.Lane.Endpoint]
			c.Queued -= int(rows)
			if settled[i].Outcome == store.Dead {
				c.Dead += int(rows)
			}
			counts[settled[i].Delivery.Lane.Endpoint] = c
		}
		return nil
	})
	return counts, err
}

// settle stores the result of one delivery, and returns by how many fewer wait.
func (w *writer) settle(now time.Time, s *store.Settlement) (left int64, err error) {
	endpoint, id, seq := s.Delivery.Lane.Endpoint, string(s.Delivery.Lane.Call), s.Delivery.Event.Seq
	switch s.Outcome {
	case store.Dead:
		if _, err := w.exec(w.outbox.bury, endpoint, id, seq, stored.Nanos(now), s.Reason); err != nil {
			return 0, err
		}
		return w.exec(w.outbox.settle, endpoint, id, seq)
	case store.Delivered:
		return w.exec(w.outbox.settle, endpoint, id, seq)
	case store.Retry:
		rows, err := w.exec(w.outbox.retry, endpoint, id, seq)
		if err == nil && rows > 0 {
			_, err = w.exec(w.outbox.delay, endpoint, id, seq, stored.Nanos(now.Add(s.After)))
		}
		return 0, err
	case store.Returned:
	}
	return 0, nil
}

// Requeue implements store.Journal.
func (j *journal) Requeue(p store.Portion, seqs []int64, now time.Time, by ...store.Audit) (counts store.Counts, err error) {
	err = j.writes(len(seqs)+len(by), func(w *writer) error {
		if err := w.fileAll(by); err != nil {
			return err
		}
		for _, seq := range seqs {
			dead, err := w.exec(w.outbox.unbury, p.Endpoint, seq)
			if err != nil {
				return err
			}
			counts.Dead -= int(dead)
			if !p.All && dead == 0 {
				continue
			}
			rows, err := w.exec(w.outbox.requeue, p.Endpoint, seq, stored.Nanos(now))
			if err != nil {
				return err
			}
			counts.Queued += int(rows)
		}
		return nil
	})
	if err != nil {
		return store.Counts{}, err
	}
	return counts, nil
}

// PruneEvents implements store.Journal.
func (j *journal) PruneEvents(ctx context.Context, seqs []int64, kept int64) (rows int, counts map[int64]store.Counts, more bool, err error) {
	endpoints, gone, err := j.numbers(ctx)
	if err != nil {
		return 0, nil, false, fmt.Errorf("%w: %w", store.ErrNotDone, err)
	}
	counts = make(map[int64]store.Counts)
	if len(seqs) == 0 && len(gone) == 0 {
		return 0, counts, false, nil
	}
	// All events below kept were found, so no other event lies between them.
	expired, _ := slices.BinarySearch(seqs, kept)
	total := int64(0)
	err = j.writes(pruneRows, func(w *writer) (err error) {
		exec := func(stmt driver.StmtExecContext, args ...driver.Value) (n int64) {
			if err == nil {
				n, err = w.exec(stmt, args...)
				total += n
			}
			return n
		}
		if expired > 0 {
			for _, number := range endpoints {
				queued := exec(w.outbox.expire, number, seqs[0]-1, seqs[expired-1])
				dead := exec(w.outbox.expireDead, number, seqs[0]-1, seqs[expired-1])
				counts[number] = store.Counts{Queued: -int(queued), Dead: -int(dead)}
			}
		}
		for _, seq := range seqs {
			exec(w.outbox.prune, seq)
		}
		for _, number := range gone {
			if exec(w.outbox.leftQueued, number, int64(pruneRows))+exec(w.outbox.leftDead, number, int64(pruneRows)) > 0 {
				more = true // The rest goes with the next portion.
				break
			}
			exec(w.outbox.forget, number)
		}
		return err
	})
	if err != nil {
		return 0, nil, false, err
	}
	return int(total), counts, more, nil
}

// numbers are those of the endpoints, and of deleted ones that have left rows.
func (j *journal) numbers(ctx context.Context) (endpoints, gone []int64, err error) {
	rows, err := j.reader.QueryContext(ctx, `SELECT number, id FROM endpoints`)
	err = each(rows, err, func(r row) error {
		var number int64
		var id sql.NullString
		err := r.Scan(&number, &id)
		if id.Valid {
			endpoints = append(endpoints, number)
		} else {
			gone = append(gone, number)
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("find endpoints: %w", named(err))
	}
	return endpoints, gone, nil
}
