package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// batch is as many candidates as fit into one message, which no batch before had.
func (b *bench) batch(number int, generation uint32) *pealv1.Candidates {
	c := &pealv1.Candidates{CallId: callID(1), Generation: generation}
	for i := range b.limits.Candidates {
		c.Candidates = append(c.Candidates, &pealv1.Candidate{
			Candidate: fmt.Sprintf("candidate:1 1 udp %d 192.0.2.7 %d typ host%s", number+1, i+1, strings.Repeat(" generation 0", 15)),
		})
	}
	return c
}

// pushed is how many bytes of candidates and descriptions a client has received.
func (c *client) pushed() (bytes int) {
	for _, f := range c.events() {
		for _, x := range f.GetCandidates().GetCandidates() {
			bytes += len(x.Candidate)
		}
		u := f.GetCall()
		bytes += len(u.GetOffer()) + len(u.GetAnswer()) + len(u.GetCall().GetAttachment())
	}
	return bytes
}

// The number of candidates in a generation counts for the generation that there
// is: naming another one in between does not restart the count.
func TestCandidatesOfOtherGenerations(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.events()
	for i := range 12 {
		f := alice.do(b.batch(i, uint32(1+i%2)))
		switch {
		case i == 0 && f.Error != nil:
			t.Fatalf("the first batch is answered %v", f)
		case i%2 == 1:
			wantError(t, f, protocol.StaleGeneration)
		case i > 0:
			wantError(t, f, protocol.LimitExceeded)
		}
	}
	if n := bob.pushed(); n == 0 || n > b.limits.CandidateBytes {
		t.Errorf("%d bytes of candidates reach the callee, at most %d are allowed", n, b.limits.CandidateBytes)
	}
	// Those of a generation that is over are of no use to anybody.
	alice.do(&pealv1.Restart{CallId: callID(1), FromGeneration: 1})
	wantError(t, alice.do(b.batch(40, 1)), protocol.StaleGeneration)
	if f := alice.do(b.batch(41, 2)); f.Error != nil {
		t.Errorf("candidates of the new generation are answered %v", f)
	}
}

// Nobody is made to push without end: neither by the same candidates again and
// again, nor by ever new generations, nor by connecting again.
func TestSignalsOfAnAccountAreBounded(t *testing.T) {
	big := strings.Repeat("x", 30<<10)
	for name, push := range map[string]func(b *bench, c **client, i int) *pealv1.ServerFrame{
		"the same candidates": func(b *bench, c **client, _ int) *pealv1.ServerFrame { return (*c).do(b.batch(0, 1)) },
		"restarts": func(_ *bench, c **client, i int) *pealv1.ServerFrame {
			(*c).do(&pealv1.Restart{CallId: callID(1), FromGeneration: uint32(i + 1), Rebuild: true})
			return (*c).do(&pealv1.Offer{CallId: callID(1), Generation: uint32(i + 2), Sdp: big})
		},
		"tracks": func(_ *bench, c **client, i int) *pealv1.ServerFrame {
			return (*c).do(&pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: i%2 == 0}})
		},
		"connecting anew": func(b *bench, c **client, i int) *pealv1.ServerFrame {
			if i%30 == 29 {
				(*c).drop()
				*c = b.open()
				(*c).do(&pealv1.Hello{Token: "alice", DeviceId: "a"})
			}
			return (*c).do(b.batch(i, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			alice, bob := b.login("alice", "a"), b.login("bob", "b")
			alice.do(&pealv1.Invite{
				CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: "v=0", Attachment: strings.Repeat("x", b.limits.AttachmentBytes),
			})
			bob.events()
			if name == "tracks" {
				bob.accept(1)
				alice.events()
			}
			total, refused := 0, 0
			for i := range 400 {
				if f := push(b, &alice, i); f.GetError().GetCode() == string(protocol.RateLimited) {
					refused++
					if f.Error.RetryAfterMs == 0 {
						t.Fatal("the client does not learn when to try again")
					}
				}
				total += bob.pushed()
				b.wait(50 * time.Millisecond)
			}
			if most := b.limits.SignalBytes + 21*b.limits.SignalRate; total == 0 || total > most || refused == 0 && total > most/2 {
				t.Errorf("%d bytes reach the callee in 20 s, at most %d may; %d refused", total, most, refused)
			}
		})
	}
}

// One account does not greet without end.
func TestHellosOfAnAccount(t *testing.T) {
	b := newBench(t)
	welcomed := 0
	for i := range 3 * b.limits.HellosPerMin {
		c := b.open()
		f := c.do(&pealv1.Hello{Token: "alice", DeviceId: fmt.Sprint("made-up-", i%5), Fresh: true})
		if f.GetWelcome() != nil {
			welcomed++
		} else if f.GetError().GetCode() != string(protocol.RateLimited) || !f.Error.Retry {
			t.Fatalf("a hello is answered %v", f)
		}
		c.drop()
	}
	if welcomed != b.limits.HellosPerMin {
		t.Errorf("%d hellos are welcomed at once, want %d", welcomed, b.limits.HellosPerMin)
	}
	// It is nobody else's harm, and passes.
	b.login("bob", "b").drop()
	b.wait(time.Minute)
	b.login("alice", "a")
}

// A person is not made to ring without pause by many who take turns.
func TestRingsOfACallee(t *testing.T) {
	b := newBench(t)
	b.login("victim", "v")
	rang := 0
	for i := range 3 * b.limits.RingsPerMin {
		c := b.login(fmt.Sprint("caller-", i), "d")
		f := c.invite(100+i, "victim")
		if f.Error == nil {
			rang++
			c.hangup(100 + i)
		} else {
			wantError(t, f, protocol.RateLimited)
		}
		c.drop()
	}
	if rang != b.limits.RingsPerMin {
		t.Errorf("it rings %d times at once, want %d", rang, b.limits.RingsPerMin)
	}
	c := b.login("caller", "d")
	wantError(t, c.invite(998, "victim"), protocol.RateLimited)
	if f := c.invite(997, "somebody"); f.Error != nil {
		t.Errorf("a call to somebody else is answered %v", f)
	}
	b.wait(time.Minute)
	c.hangup(997)
	if f := c.invite(999, "victim"); f.Error != nil {
		t.Errorf("a minute later a call is answered %v", f)
	}
}

// A caller that is declined again and again waits longer each time; once answered it no longer
// waits.
func TestPauseAfterRejections(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	n := 0
	declined := func() {
		t.Helper()
		n++
		want(t, alice.invite(n, "bob").GetCall(), ringing, 0, caller)
		bob.do(&pealv1.Reject{CallId: callID(n)})
		alice.events()
		bob.events()
	}
	declined()
	declined() // Once more is everybody's right.
	last := time.Duration(0)
	for range 8 {
		n++
		f := alice.invite(n, "bob")
		wantError(t, f, protocol.RateLimited)
		pause := time.Duration(f.Error.RetryAfterMs) * time.Millisecond
		if pause < last || last > 0 && last < b.limits.DeclinedPauseMost/2 && pause < last*3/2 || pause > b.limits.DeclinedPauseMost {
			t.Errorf("a pause of %s follows one of %s", pause, last)
		}
		if !strings.Contains(f.Error.Message, "declined") {
			t.Errorf("the text is %q", f.Error.Message)
		}
		last = pause
		b.wait(max(pause, time.Minute)) // Also for the quota.
		declined()
	}
	// Another pair, and the other direction, are not held up.
	n++
	want(t, bob.invite(n, "alice").GetCall(), ringing, 0, caller)
	alice.accept(n)
	alice.hangup(n)
	// They have talked.
	b.wait(time.Minute)
	declined()
}

// An invitation that makes no call takes nothing from what others may ring the callee, whether
// the callee blocks its caller or not.
func TestNoCallSpendsNoRing(t *testing.T) {
	for name, prepare := range map[string]func(*bench){"blocked": (*bench).block, "not blocked": func(*bench) {}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.limits.InvitesPerMin, b.limits.PairPerMin, b.limits.RingsPerMin = 100, 100, 4
			b.boot()
			prepare(b)
			alice, carol, dave := b.login("alice", "a"), b.login("carol", "c"), b.login("dave", "d")
			alice.invite(1, "carol")
			carol.accept(1)
			second := b.login("alice", "a2")
			for n := range 6 {
				wantError(t, second.invite(10+n, "bob"), protocol.BusyElsewhere)
			}
			for n := range 4 {
				want(t, dave.invite(20+n, "bob").GetCall(), ringing, 0, caller)
				dave.hangup(20 + n)
			}
			wantError(t, dave.invite(30, "bob"), protocol.RateLimited)
		})
	}
}

// The generations of a call that rings are few: for each one a page makes a connection.
func TestGenerationsWhileItRings(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.do(&pealv1.Invite{CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: "v=0", RingTimeoutMs: 120_000})
	offers := len(bob.events())
	for i := range 1000 {
		u := alice.do(&pealv1.Restart{CallId: callID(1), FromGeneration: uint32(i + 1), Rebuild: true})
		if g := u.GetCall().GetCall().GetGeneration(); g > 0 {
			alice.do(&pealv1.Offer{CallId: callID(1), Generation: g, Sdp: "v=0"})
		}
		b.wait(100 * time.Millisecond)
		offers += len(bob.events())
	}
	if offers < 2 || offers > call.RingGenerationsMost {
		t.Errorf("%d offers reach the callee while it rings, at most %d may", offers, call.RingGenerationsMost)
	}
}

// Candidates count for the account: a new connection restarts no count.
func TestCandidatesOverReconnects(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	different := make(map[string]bool)
	for i := range 8 {
		alice.do(b.batch(i, 1))
		alice.drop()
		alice = b.open()
		alice.do(&pealv1.Hello{Token: "alice", DeviceId: "a"})
		for _, c := range bob.candidates() {
			different[c] = true
		}
	}
	if n := len(different); n == 0 || n > b.limits.Candidates {
		t.Errorf("%d different candidates of one generation reach the callee, at most %d may", n, b.limits.Candidates)
	}
}

// Who lets a person ring for long, again and again, waits as after rejections: one caller
// keeps nobody busy for everybody else.
func TestPauseAfterLongRinging(t *testing.T) {
	b := newBench(t)
	mallory := b.login("mallory", "m")
	b.login("bob", "b")
	rang := time.Duration(0)
	begin := b.now
	for n := 1; b.now.Sub(begin) < time.Hour; n++ {
		f := mallory.do(&pealv1.Invite{CallId: callID(n), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0", RingTimeoutMs: 120_000})
		if f.Error != nil {
			b.wait(time.Duration(f.Error.RetryAfterMs) * time.Millisecond)
			continue
		}
		b.wait(119 * time.Second)
		mallory.do(&pealv1.Cancel{CallId: callID(n)})
		rang += 119 * time.Second
	}
	if rang < 4*time.Minute || rang > 20*time.Minute {
		t.Errorf("in an hour one caller has a person ring for %s", rang)
	}
	// Calls that were given up soon are no harm.
	carol := b.login("carol", "c")
	for n := 1000; n < 1010; n++ {
		want(t, carol.invite(n, "bob").GetCall(), ringing, 0, caller)
		b.wait(3 * time.Second)
		carol.do(&pealv1.Cancel{CallId: callID(n)})
		b.wait(27 * time.Second)
	}
}

// An invitation that declines another one says nothing about the one who was declined so.
func TestDecliningByCallingIsNoRejection(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	for n := 1; n < 24; n += 2 {
		want(t, alice.invite(n, "bob").GetCall(), ringing, 0, caller)
		bob.events()
		want(t, bob.invite(n+1, "carol").GetCall(), ringing, 0, caller)
		bob.hangup(n + 1)
		alice.events()
		b.wait(time.Minute)
	}
}

// Nor does one whose commit had no result.
func TestDecliningByCallingWithoutAResult(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	for n := 1; n < 12; n += 2 {
		want(t, alice.invite(n, "bob").GetCall(), ringing, 0, caller)
		bob.events()
		b.after = func() { b.fault, b.faults = store.Hide, 1 } // The end of the call that rings.
		want(t, bob.invite(n+1, "carol").GetCall(), ringing, 0, caller)
		bob.hangup(n + 1)
		alice.events()
		b.wait(time.Minute)
	}
}

// What media flow by is reported once for each side and generation, whatever its devices say.
func TestPathsAreToldOnce(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	for i := range 100 {
		path := []pealv1.MediaPath{pealv1.MediaPath_MEDIA_PATH_HOST, pealv1.MediaPath_MEDIA_PATH_RELAY_UDP}[i%2]
		alice.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true, Path: path})
	}
	b.told = nil
	bob.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
	moved, _ := b.told[0].(node.Moved)
	if len(b.told) != 1 || moved.CallerPath != pealv1.MediaPath_MEDIA_PATH_HOST || moved.CalleePath != 0 {
		t.Errorf("told of the connected call: %+v", b.told)
	}
	b.told = nil
	for range 100 {
		bob.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true, Path: pealv1.MediaPath_MEDIA_PATH_RELAY_PEER})
	}
	if flows, _ := b.told[0].(node.Flows); len(b.told) != 1 || flows.Path != pealv1.MediaPath_MEDIA_PATH_RELAY_PEER {
		t.Errorf("told afterwards: %+v", b.told)
	}
}
