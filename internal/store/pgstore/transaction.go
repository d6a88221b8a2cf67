package pgstore

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// transaction makes a wave of changes.
type transaction struct {
	// attempt marks what this transaction writes.
	attempt int64
	batch   pgx.Batch
	wave    []*change
	// results are those of the wave. They count once the transaction is committed.
	results []store.Result
	newest  int64 // The number of the newest event that it stored; 0 for none.
}

// newTransaction queues the statements for a wave. Its changes are in the order of ids.
func newTransaction(s *Store, wave []*change) *transaction {
	t := &transaction{attempt: rand.Int64(), wave: wave, results: make([]store.Result, len(wave))}
	var created, changed []int
	var ends, withEvents []outcome
	for i, c := range wave {
		if c.From == 0 {
			created = append(created, i)
		} else {
			changed = append(changed, i)
			t.results[i].Verdict = store.Conflict // Until sqlChange returns it.
		}
		for _, o := range c.outcomes() {
			if !o.call.Live() {
				ends = append(ends, o)
			}
			if len(o.events) > 0 {
				withEvents = append(withEvents, o)
			}
		}
	}
	if len(withEvents) > 0 {
		s.numberEvents(&t.batch, withEvents)
	}
	if len(created) > 0 {
		t.claim(created)
		t.create(created)
	}
	if len(changed) > 0 {
		t.change(changed)
	}
	if len(ends) > 0 {
		t.end(ends)
	}
	if len(withEvents) > 0 {
		t.queueEvents(withEvents)
	}
	return t
}

// outcomes are what a change may come to.
func (c *change) outcomes() []outcome {
	if c.busy == nil {
		return []outcome{c.call}
	}
	return []outcome{c.call, *c.busy}
}

// claim queues sqlClaim for the members of new live calls.
func (t *transaction) claim(created []int) {
	type claim struct{ account, id, blocked string }
	var claims []claim
	for _, i := range created {
		c := &t.wave[i].Call
		if !c.Live() {
			continue
		}
		claims = append(claims, claim{string(c.Caller().Account), string(c.ID), ""})
		if !c.Deaf {
			claims = append(claims, claim{string(c.Callee().Account), string(c.ID), string(c.Caller().Account)})
		}
	}
	if len(claims) == 0 {
		return
	}
	slices.SortFunc(claims, func(a, b claim) int { return strings.Compare(a.account, b.account) })
	accounts, ids, blocked := make([]string, len(claims)), make([]string, len(claims)), make([]string, len(claims))
	for i, c := range claims {
		accounts[i], ids[i], blocked[i] = c.account, c.id, c.blocked
	}
	t.batch.Queue(sqlClaim, t.attempt, accounts, ids, blocked)
}

// columns are the rows of calls in columns, as the statements take them.
type columns struct {
	rev, created    []*int64
	state           []*int16
	deadline, ended []*int64
	nodes           []*string
	format          []*int16
	body            [][]byte
	offer, answer   [][]byte
}

// add adds a row; nil adds one of NULLs.
func (c *columns) add(o *outcome) {
	if o == nil {
		c.rev, c.created, c.state = append(c.rev, nil), append(c.created, nil), append(c.state, nil)
		c.deadline, c.ended, c.nodes = append(c.deadline, nil), append(c.ended, nil), append(c.nodes, nil)
		c.format = append(c.format, nil)
		c.body, c.offer, c.answer = append(c.body, nil), append(c.offer, nil), append(c.answer, nil)
		return
	}
	rev, state, nodes := int64(o.call.Rev), int16(o.call.State), nodesOf(o.call)
	created := stored.Nanos(o.call.CreatedAt)
	c.rev, c.created, c.state = append(c.rev, &rev), append(c.created, &created), append(c.state, &state)
	c.deadline, c.ended, c.nodes = append(c.deadline, deadlineOf(o.call)), append(c.ended, endOf(o.call)), append(c.nodes, &nodes)
	c.body = append(c.body, o.body)
	format := int16(max(o.call.Format, 1))
	c.format = append(c.format, &format)
	c.offer, c.answer = append(c.offer, o.offer), append(c.answer, o.answer)
}

// deadlineOf is when a call wants a tick; nil for never.
func deadlineOf(c *call.Call) *int64 {
	at, ok := c.Deadline()
	if !ok {
		return nil
	}
	ns := stored.Nanos(at)
	return &ns
}

// endOf is when a call ended; nil while it lives.
func endOf(c *call.Call) *int64 {
	if c.Live() {
		return nil
	}
	ns := stored.Nanos(c.Outcome.EndedAt)
	return &ns
}

// create queues sqlMake.
func (t *transaction) create(created []int) {
	ids, callers, callees := make([]string, len(created)), make([]string, len(created)), make([]string, len(created))
	deaf := make([]bool, len(created))
	var as, busy columns
	for k, i := range created {
		c := t.wave[i]
		ids[k], callers[k], callees[k] = string(c.Call.ID), string(c.Call.Caller().Account), string(c.Call.Callee().Account)
		deaf[k] = c.Call.Deaf
		as.add(&c.call)
		busy.add(c.busy)
	}
	t.batch.Queue(sqlMake, t.attempt, as.format, stored.Deafness(), []byte{},
		ids, callers, callees, deaf,
		as.rev, as.state, as.deadline, as.created, as.ended, as.nodes, as.body, as.offer, as.answer,
		busy.rev, busy.state, busy.deadline, busy.created, busy.ended, busy.nodes, busy.body, busy.offer, busy.answer,
	).Query(func(rows pgx.Rows) error {
		var ord int64
		var verdict int16
		var r store.Result
		_, err := pgx.ForEachRow(rows, []any{&ord, &verdict, &r.Deaf, (*string)(&r.Holder)}, func() error {
			r.Verdict = store.Verdict(verdict)
			t.results[created[ord-1]] = r
			return nil
		})
		return err
	})
}

// change queues sqlChange.
func (t *transaction) change(changed []int) {
	ids, was := make([]string, len(changed)), make([]int64, len(changed))
	merged, mergedAt, bodies := make([]*string, len(changed)), make([]*int64, len(changed)), make([][]byte, len(changed))
	var as columns
	for k, i := range changed {
		c := t.wave[i]
		if m := c.Merged; m != nil {
			merged[k], mergedAt[k], bodies[k] = (*string)(&m.ID), endOf(m), c.merged
		}
		ids[k], was[k] = string(c.Call.ID), int64(c.From)
		as.add(&c.call)
	}
	t.batch.Queue(sqlChange, t.attempt, int16(call.Format),
		ids, was, as.rev, as.state, as.deadline, as.ended, as.nodes, as.body, as.offer, as.answer, as.format,
		merged, mergedAt, bodies,
	).Query(func(rows pgx.Rows) error {
		var ord int64
		_, err := pgx.ForEachRow(rows, []any{&ord}, func() error {
			t.results[changed[ord-1]].Verdict = store.Done
			return nil
		})
		return err
	})
}

// bare says that a call has ended without descriptions: those that are stored are deleted.
func bare(c *call.Call) bool { return !c.Live() && c.Media.Offer == "" && c.Media.Answer == "" }

// end queues sqlEnd.
func (t *transaction) end(ends []outcome) {
	n := len(ends)
	ids, callers, callees := make([]string, n), make([]string, n), make([]string, n)
	callerNames, callerAvatars, calleeNames, calleeAvatars := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	revs, created, ended, seconds := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	kinds, types, reasons := make([]int16, n), make([]int16, n), make([]int16, n)
	bares := make([]bool, n)
	for i, o := range ends {
		c := o.call
		ids[i], revs[i], bares[i] = string(c.ID), int64(c.Rev), bare(c)
		callers[i], callees[i] = string(c.Caller().Account), string(c.Callee().Account)
		ended[i] = stored.Nanos(c.Outcome.EndedAt)
		r, ok := c.Record()
		if !ok {
			continue // A kind of 0 files no record.
		}
		kinds[i], types[i], reasons[i] = int16(r.Kind), int16(r.Type), int16(r.Reason)
		created[i], seconds[i] = stored.Nanos(r.CreatedAt), int64(r.Duration/time.Second)
		callerNames[i], callerAvatars[i] = r.CallerCard.Name, r.CallerCard.Avatar
		calleeNames[i], calleeAvatars[i] = r.CalleeCard.Name, r.CalleeCard.Avatar
	}
	t.batch.Queue(sqlEnd, t.attempt, ids, revs, callers, callees, bares, kinds, types, reasons, created, ended, seconds,
		callerNames, callerAvatars, calleeNames, calleeAvatars)
}
