package device

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Each record is delivered once, however often the server sends it.
func TestRecordsAreToldOnce(t *testing.T) {
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	record := func(id string, after time.Duration) *pealv1.Record {
		return &pealv1.Record{CallId: id, EndedAt: timestamppb.New(epoch.Add(after))}
	}
	l := newRecordLog(time.Time{})
	l.ask(epoch)
	for i, tt := range []struct {
		id    string
		after time.Duration
		told  bool
	}{
		{"first", 0, true},
		{"first", 0, false},
		{"hours later", 5 * time.Hour, true},
		{"filed late", 5*time.Hour - 30*time.Second, true},
		{"told very late", 4 * time.Hour, true},
		{"first", 0, false},
		{"hours later", 5 * time.Hour, false},
	} {
		if got := l.take(record(tt.id, tt.after)); got != tt.told {
			t.Errorf("%d: %q: told %t", i, tt.id, got)
		}
		l.caughtUp()
	}
	if since := l.ask(epoch).GetSince().AsTime(); !since.Equal(epoch.Add(5*time.Hour - recordOverlap)) {
		t.Errorf("asks from %s on", since)
	}
}

// The memory of delivered records is bounded.
func TestRecordsInMind(t *testing.T) {
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newRecordLog(time.Time{})
	l.caughtUp()
	for i := range 3 * recordsMost {
		l.take(&pealv1.Record{CallId: fmt.Sprint(i), EndedAt: timestamppb.New(epoch.Add(time.Duration(i) * time.Minute))})
	}
	if len(l.told) != recordsMost || len(l.order) != recordsMost {
		t.Errorf("%d and %d are kept in mind", len(l.told), len(l.order))
	}
}

// A program that says from where on it knows nothing asks for nothing older.
func TestRecordsSince(t *testing.T) {
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newRecordLog(epoch)
	if since := l.ask(epoch.Add(time.Hour)).GetSince().AsTime(); !since.Equal(epoch) {
		t.Errorf("asks from %s on", since)
	}
}

// What was missed while the device was away is asked for from where it left off,
// however lately the call ended that the welcome tells of.
func TestRecordsMissed(t *testing.T) {
	d := New(Config{ID: "d1"})
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	left := now
	var asked *pealv1.ListRecords
	var question uint32
	step := func(in Input) {
		for _, e := range d.Step(now, in) {
			if s, ok := e.(Send); ok && s.Frame.GetListRecords() != nil {
				asked, question = s.Frame.GetListRecords(), s.Frame.Id
			}
		}
	}
	tell := func(socket Socket, c *pealv1.Call, f *pealv1.ServerFrame) {
		if c != nil {
			f.Body = &pealv1.ServerFrame_Call{Call: &pealv1.CallUpdate{Call: c}}
		}
		step(Received{socket, f})
	}
	welcome := func(calls ...*pealv1.CallUpdate) *pealv1.ServerFrame {
		return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{Account: "bob", Calls: calls}}}
	}
	of := func(id string, rev uint32, state pealv1.CallState, ended time.Time) *pealv1.Call {
		c := &pealv1.Call{
			CallId: id, Rev: rev, State: state, Role: pealv1.Role_ROLE_CALLEE, Generation: 1,
			Caller: &pealv1.Party{Account: "alice"}, Callee: &pealv1.Party{Account: "bob"},
		}
		if state == pealv1.CallState_CALL_STATE_ENDED {
			c.Record = &pealv1.Record{CallId: id, EndedAt: timestamppb.New(ended)}
		}
		return c
	}
	const ringing, ended = pealv1.CallState_CALL_STATE_RINGING, pealv1.CallState_CALL_STATE_ENDED
	step(Login{})
	step(GotToken{Token: "t"})
	step(Opened{1})
	tell(1, nil, welcome())
	tell(1, nil, &pealv1.ServerFrame{ReplyTo: question, Body: &pealv1.ServerFrame_Records{Records: &pealv1.RecordList{}}})
	tell(1, of("first", 2, ended, left), &pealv1.ServerFrame{})
	tell(1, of("second", 1, ringing, left), &pealv1.ServerFrame{})
	step(Closed{Socket: 1})
	for range 60 {
		now = now.Add(time.Minute / 10)
		step(Woke{})
		step(GotToken{Token: "t"})
	}
	step(Opened{d.link.socket})
	tell(d.link.socket, nil, welcome(&pealv1.CallUpdate{Call: of("second", 2, ended, now)}))
	if since := asked.GetSince().AsTime(); !since.Equal(left.Add(-recordOverlap)) {
		t.Errorf("asks from %s on, left off at %s", since, left)
	}
}
