package server

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// A wall clock that is set to another time, as by the first look at a time server or a
// machine that was put to sleep, changes no deadline, no record and no connection.
func TestClockIsSet(t *testing.T) {
	for name, by := range map[string]time.Duration{"an hour back": -time.Hour, "an hour forward": time.Hour} {
		t.Run(name, func(t *testing.T) {
			var stepped atomic.Int64
			machine := store.Machine()
			clocks := func() (time.Time, time.Duration) {
				wall, passed := machine()
				return wall.Add(time.Duration(stepped.Load())), passed
			}
			b := start(t, func(c *Config) {
				c.Clocks, c.Settings.Timing.Ring = clocks, 2*time.Second
			})
			alice, bob := b.login("alice", "a"), b.login("bob", "b")
			carol, dave := b.login("carol", "c"), b.login("dave", "d")

			const other = "0198c0de-0000-7000-8000-00000000c0de"
			carol.invite(other, "dave")
			dave.ask("accept", map[string]any{"callId": other, "answer": describe("answer"), "generation": 1})
			for _, c := range []*client{carol, dave} {
				c.ask("media", map[string]any{"callId": other, "generation": 1, "up": true})
			}
			connected := time.Now()

			alice.invite(callID, "bob")
			rings := time.Now()
			stepped.Store(int64(by))
			if err := followClock(t.Context(), b.Server); err != nil {
				t.Fatal(err)
			}
			for _, c := range []*client{alice, bob} {
				ended := c.end()
				if rang := time.Since(rings); rang < 1500*time.Millisecond || rang > 10*time.Second || ended.GetReason() != pealv1.Reason_REASON_TIMEOUT {
					t.Errorf("a call that rings for 2 s ended after %s by %v", rang, ended.GetReason())
				}
				r := ended.GetRecord()
				if took := r.GetEndedAt().AsTime().Sub(r.GetCreatedAt().AsTime()); took < 1500*time.Millisecond || took > 10*time.Second {
					t.Errorf("its record lasts %s", took)
				}
			}
			carol.ask("hangup", map[string]any{"callId": other})
			on := time.Since(connected)
			r := dave.end().GetRecord()
			if d := time.Duration(r.GetDurationS()) * time.Second; (d - on).Abs() > 1500*time.Millisecond {
				t.Errorf("a call of %s is recorded with %s", on, d)
			}
			for _, c := range []*client{alice, bob, carol, dave} {
				c.works()
			}
			if !strings.Contains(b.log.String(), "the clock of calls and records is not the machine's") {
				t.Error("the log says nothing of it")
			}

			// Tokens are made by the wall clock, of whatever machine.
			later := b.dial()
			token := sign(t, secret, "main", "erin", time.Minute, time.Now().Add(by))
			if f := later.ask("hello", map[string]any{"token": token, "deviceId": "e", "fresh": true}); f.GetWelcome() == nil {
				t.Errorf("a token of now: %v", f)
			} else if ms := f.GetWelcome().GetTokenExpiresInMs(); ms < 50_000 || ms > 60_000 {
				t.Errorf("a token for a minute expires in %d ms", ms)
			}
			late := b.dial()
			token = sign(t, secret, "main", "frank", time.Minute, time.Now().Add(by-time.Hour))
			if f := late.ask("hello", map[string]any{"token": token, "deviceId": "f", "fresh": true}); f.GetError().GetCode() != "token_expired" {
				t.Errorf("a token of an hour ago: %v", f)
			}
		})
	}
}

// end waits for the end of the client's call.
func (c *client) end() *pealv1.Call {
	c.t.Helper()
	for {
		if call := c.event().GetCall().GetCall(); call.GetState() == pealv1.CallState_CALL_STATE_ENDED {
			return call
		}
	}
}

// A clock that was ahead of the store's is never set back: it runs slower until both agree. What
// it was behind it makes up for at once.
func TestClockIsNeverSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c := newClock()
		tells := func(ahead, takes time.Duration) time.Duration {
			before := c.local()
			time.Sleep(takes)
			return c.measured(before, before.Add(takes/2+ahead), c.local())
		}
		tells(-24*time.Hour, 0) // The first time it is set, whichever way.
		last := c.now()
		reads := func(ahead time.Duration) {
			t.Helper()
			now := c.now()
			if now.Before(last) {
				t.Errorf("%s is read after %s", now, last)
			}
			if got := now.Sub(begin.Add(time.Since(begin))); got != ahead {
				t.Errorf("it is ahead by %s, want %s", got, ahead)
			}
			last = now
		}
		reads(-24 * time.Hour)
		if jump := tells(time.Hour, 0); jump != 25*time.Hour {
			t.Errorf("forward: %s", jump)
		}
		reads(time.Hour)
		if jump := tells(time.Hour-time.Second, 0); jump != -time.Second {
			t.Errorf("a second back: %s", jump)
		}
		reads(time.Hour)
		time.Sleep(5 * time.Second)
		reads(time.Hour - 500*time.Millisecond)
		// In the midst of it what is measured is the same, and then a little less.
		tells(time.Hour-time.Second, 0)
		reads(time.Hour - 500*time.Millisecond)
		tells(time.Hour-1200*time.Millisecond, 0)
		reads(time.Hour - 500*time.Millisecond)
		time.Sleep(10 * time.Second)
		reads(time.Hour - 1200*time.Millisecond)
		// What may come from the way there and back says nothing.
		if jump := tells(time.Hour-1210*time.Millisecond, 20*time.Millisecond); jump != 0 {
			t.Errorf("within the error: %s", jump)
		}
		reads(time.Hour - 1200*time.Millisecond)
		tells(time.Hour, 20*time.Millisecond)
		reads(time.Hour)
	})
}
