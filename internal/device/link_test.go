package device

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// What had been on its way when the connection was asked for a sign of life is none: only
// the answer ends the wait.
func TestSilenceAfterAPing(t *testing.T) {
	for _, answered := range []bool{true, false} {
		d := New(Config{ID: "d1"})
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		step := func(in Input) (ping uint32) {
			for _, e := range d.Step(now, in) {
				if s, ok := e.(Send); ok && s.Frame.GetPing() != nil {
					ping = s.Frame.Id
				}
			}
			return ping
		}
		step(Login{})
		step(GotToken{Token: "t"})
		step(Opened{1})
		step(Received{1, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{
			Account: "bob", Active: &pealv1.Heartbeat{EveryMs: 2_000, DeadAfterMs: 4_000},
		}}}})
		ping := step(Probe{})
		if ping == 0 {
			t.Fatal("a probe sends no ping")
		}
		now = now.Add(time.Second)
		step(Received{1, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Candidates{Candidates: &pealv1.Candidates{CallId: "c"}}}})
		if answered {
			step(Received{1, &pealv1.ServerFrame{ReplyTo: ping, Body: &pealv1.ServerFrame_Pong{Pong: &pealv1.Pong{}}}})
		}
		now = now.Add(3999 * time.Millisecond)
		step(Woke{})
		if d.State() != Online {
			t.Fatal("its patience does not begin anew with what came")
		}
		now = now.Add(time.Millisecond)
		step(Woke{})
		if (d.State() == Online) != answered {
			t.Errorf("answered %v: it is in state %d", answered, d.State())
		}
	}
}
