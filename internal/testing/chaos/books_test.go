package chaos_test

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// What is planted in calls, and must be in no log.
const (
	plantedText       = "planted-description"
	plantedAddress    = "203.0.113.77"
	plantedAttachment = "planted-attachment"
)

// books are all records that any device received.
type books struct {
	mu      sync.Mutex // Guards records.
	records map[string]client.Record
}

func (b *books) enter(r client.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.records == nil {
		b.records = make(map[string]client.Record)
	}
	b.records[r.CallID] = r
}

// question is one about the database; it counts what should not be there.
type question struct {
	what, query string
	// calls says that the query lists ids and bodies of calls, in place of a number. Tombstones of
	// merged invitations do not count: nobody called by them, so they have no record.
	calls bool
}

// answer is the number that a question asks for.
func (q question) answer(ctx context.Context, db *sql.DB) (n int, err error) {
	if !q.calls {
		err = db.QueryRowContext(ctx, q.query).Scan(&n)
		return n, err
	}
	rows, err := db.QueryContext(ctx, q.query)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id call.ID
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			return 0, err
		}
		c, err := stored.Decode(id, body, nil)
		if err != nil {
			return 0, err
		}
		if c.Outcome.Merged == "" {
			n++
		}
	}
	return n, rows.Err()
}

// inEither are those that every database can be asked.
var inEither = []question{
	{what: "records that a side does not find", query: `
		SELECT count(*) FROM records WHERE
			(caller, ended_ns, call_id) NOT IN (SELECT account, ended_ns, call_id FROM parties) OR
			(callee, ended_ns, call_id) NOT IN (SELECT account, ended_ns, call_id FROM parties)`},
	{what: "sides without a record", query: `SELECT count(*) FROM parties WHERE call_id NOT IN (SELECT call_id FROM records)`},
}

// inSQLite are those about the tables of SQLite. Claims, deadlines and descriptions are parts of
// live calls.
var inSQLite = []question{
	{what: "live calls", query: `SELECT count(*) FROM live`},
	{
		what: "calls without their record", calls: true,
		query: `SELECT id, body FROM ended WHERE id NOT IN (SELECT call_id FROM records)`,
	},
}

// audit compares what servers leave behind with what all devices received: no call is left,
// nobody is busy, no description is kept, each record is there, and no other; and the
// logs hold nothing of what was planted.
func (p *proxy) audit(t *testing.T, b *books, questions []question) (left int) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // It may be done where this cleans up.
	db := p.place.open(t)
	defer func() { _ = db.Close() }()
	for _, q := range slices.Concat(inEither, questions) {
		n, err := q.answer(ctx, db)
		if err != nil || n > 0 {
			t.Errorf("the store holds %d %s, %v", n, q.what, err)
		}
		left += n
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(b.records, filed(ctx, t, db)); diff != "" {
		t.Errorf("the records differ (-told +stored):\n%s", diff)
	}
	for _, s := range p.place.servers() {
		s.discreet(t, p.issuer)
	}
	return left
}

// filed are the records of the store.
func filed(ctx context.Context, t *testing.T, db *sql.DB) map[string]client.Record {
	t.Helper()
	rows, err := db.QueryContext(ctx,
		`SELECT call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s FROM records`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := make(map[string]client.Record)
	for rows.Next() {
		var r client.Record
		var reason int32
		var created, ended, seconds int64
		err := rows.Scan(&r.CallID, &r.Kind, &r.Type, &r.Caller, &r.Callee, &reason, &created, &ended, &seconds)
		if err != nil {
			t.Fatal(err)
		}
		r.Reason = client.Reason(strings.ToLower(strings.TrimPrefix(pealv1.Reason_name[reason], "REASON_")))
		r.CreatedAt, r.EndedAt = time.Unix(0, created).UTC(), time.Unix(0, ended).UTC()
		r.Duration = time.Duration(seconds) * time.Second
		r.Parties = []client.RecordParty{{Account: r.Caller, Role: client.Caller}, {Account: r.Callee, Role: client.Callee}}
		all[r.CallID] = r
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// discreet finds what the log, at its finest level, should not hold.
func (s *server) discreet(t *testing.T, i *issuer) {
	t.Helper()
	log := s.log.String()
	if !strings.Contains(log, "server started") {
		t.Errorf("this is no log: %q", s.log.tail())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.tokens) == 0 {
		t.Error("nobody logged in")
	}
	for _, planted := range append(i.tokens, "eyJ", secret, plantedText, plantedAddress, plantedAttachment) {
		if strings.Contains(log, planted) {
			t.Errorf("the log holds %q", planted)
		}
	}
}
