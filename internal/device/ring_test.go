package device

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// A time-out of this device's own outlasts the connection that it was given by.
func TestRingTimeoutOverReconnect(t *testing.T) {
	d := New(Config{ID: "d1"})
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	// step gives the frame that was sent last.
	step := func(in Input) (last *pealv1.ClientFrame) {
		now = now.Add(time.Second)
		for _, e := range d.Step(now, in) {
			if s, ok := e.(Send); ok && s.Frame.GetListRecords() == nil {
				last = s.Frame
			}
		}
		return last
	}
	rings := &pealv1.CallUpdate{Call: &pealv1.Call{
		CallId: "c1", Rev: 1, State: pealv1.CallState_CALL_STATE_RINGING, Role: pealv1.Role_ROLE_CALLEE,
		Caller: &pealv1.Party{Account: "alice"}, Callee: &pealv1.Party{Account: "bob"},
	}}
	welcome := func(s Socket) *pealv1.ClientFrame {
		step(GotToken{Token: "t"})
		step(Opened{s})
		return step(Received{s, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{
			Welcome: &pealv1.Welcome{Account: "bob", Calls: []*pealv1.CallUpdate{rings}},
		}}})
	}
	wish := func(ms uint32, answer *pealv1.ServerFrame) {
		f := step(Ask{Ticket: 1, Command: &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ringing{
			Ringing: &pealv1.Ringing{CallId: "c1", RingTimeoutMs: ms},
		}}})
		answer.ReplyTo = f.Id
		step(Received{d.link.socket, answer})
	}

	step(Login{})
	if r := welcome(1).GetRinging(); r.GetCallId() != "c1" || r.GetRingTimeoutMs() != 0 {
		t.Fatalf("rings by %v", r)
	}
	wish(20_000, &pealv1.ServerFrame{})
	wish(1, &pealv1.ServerFrame{Error: &pealv1.Error{Code: "limit_exceeded"}})
	step(Closed{1})
	step(Woke{})
	if r := welcome(2).GetRinging(); r.GetRingTimeoutMs() != 20_000 {
		t.Errorf("after a reconnect it rings by %v", r)
	}
}
