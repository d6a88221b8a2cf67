package call_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peal-rtc/peal/internal/call"
)

// model is a call as one would explain it on a napkin: which devices ring, which are in, whose
// connection is lost since when. It knows nothing of revs, effects or tables, and is written
// without a look at them.
type model struct {
	phase    string // "ringing", "connecting", "connected", "ended"
	reason   call.Reason
	winner   call.DeviceID
	media    map[call.Account]bool
	gone     map[call.Account]time.Time
	leaving  map[call.Account]bool
	rings    map[call.DeviceID]bool
	answerBy time.Time
	mediaBy  time.Time
	gen      uint32
	rebuilt  uint32 // The last generation on new connections.
	video    bool
	asks     call.Account
	askedAt  time.Time
}

func newModel() *model {
	return &model{
		phase: "ringing", media: map[call.Account]bool{}, gone: map[call.Account]time.Time{},
		leaving: map[call.Account]bool{}, rings: map[call.DeviceID]bool{}, answerBy: epoch.Add(time.Minute), gen: 1, rebuilt: 1, video: true,
	}
}

func (m *model) end(r call.Reason) { m.phase, m.reason = "ended", r }

// in says whether a device is one of the two that talk.
func (m *model) in(d call.Device) bool {
	return d.Account == "alice" && d.ID == "a1" || d.Account == "bob" && m.winner != "" && d.ID == m.winner
}

// apply is one thing that happens at a time.
func (m *model) apply(in call.Input, now time.Time) {
	if m.phase == "ended" {
		return
	}
	rings := m.phase == "ringing"
	switch in := in.(type) {
	case call.Cancel:
		if rings && m.in(in.Device) {
			m.end(call.Cancelled)
		}
	case call.Reject:
		if rings && in.Device.Account == "bob" {
			m.end(call.Rejected)
		}
	case call.Hangup:
		switch {
		case rings && in.Device.Account == "bob":
			m.end(call.Rejected)
		case rings && m.in(in.Device):
			m.end(call.Cancelled)
		case !rings && m.in(in.Device):
			m.end(call.Completed)
		}
	case call.Accept:
		if still, rang := m.rings[in.Device.ID]; !rang || still {
			m.answer(in.Device, now)
		}
	case call.Merge:
		// Who dials wants to talk, also where its own ringing is over.
		if m.answer(in.Device, now) {
			m.video = m.video && in.Type == call.Video
		}
	case call.SwitchType:
		m.switchType(in, now)
	case call.Ring:
		if known, ok := m.rings[in.Device.ID]; rings && in.Device.Account == "bob" && (!ok || known) {
			m.rings[in.Device.ID] = true
		}
	case call.StopRinging:
		if rings && in.Device.Account == "bob" {
			m.rings[in.Device.ID] = false
		}
	case call.Report:
		if !rings && m.in(in.Device) && in.Generation == m.gen {
			m.media[in.Device.Account] = in.Up
			if m.phase == "connecting" && m.media["alice"] && m.media["bob"] {
				m.phase = "connected"
			}
		}
	case call.Restart:
		if m.in(in.Device) && (in.From == m.gen || in.Rebuild && in.From < m.gen && m.rebuilt <= in.From) {
			m.gen++
			if in.Rebuild {
				m.rebuilt = m.gen
			}
			m.media = map[call.Account]bool{}
		}
	case call.Gone:
		if m.in(in.Device) && m.gone[in.Device.Account].IsZero() {
			m.gone[in.Device.Account] = now
		}
	case call.Leave:
		if m.in(in.Device) {
			m.leaving[in.Device.Account] = true
		}
	case call.Back:
		if m.in(in.Device) {
			delete(m.gone, in.Device.Account)
			delete(m.leaving, in.Device.Account)
		}
	case call.Reload:
		if m.in(in.Device) {
			if !in.Resume {
				m.end(call.Lost)
				return
			}
			delete(m.gone, in.Device.Account)
			delete(m.leaving, in.Device.Account)
			m.gen++
			m.rebuilt = m.gen
			m.media = map[call.Account]bool{}
			if m.asks == in.Device.Account {
				m.asks = ""
			}
		}
	case call.Supersede:
		switch {
		case m.in(in.Device):
			m.end(call.Superseded)
		case rings && in.Device.Account == "bob": // He prefers to talk to somebody else.
			m.end(call.Rejected)
		}
	case call.Kick:
		if m.in(in.Device) {
			m.end(call.Kicked)
		}
	case call.Terminate:
		m.end(call.Terminated)
	case call.Tick:
		m.time(now)
	}
}

// switchType is two people settling whether they want to see each other.
func (m *model) switchType(in call.SwitchType, now time.Time) {
	me, wantsVideo := in.Device.Account, in.Type == call.Video
	switch {
	case m.phase == "ringing" || !m.in(in.Device):
	case !wantsVideo:
		m.video, m.asks = false, ""
	case m.video:
	case m.asks == "":
		m.asks, m.askedAt = me, now
	case m.asks != me:
		m.video, m.asks = true, ""
	}
}

func (m *model) answer(d call.Device, now time.Time) bool {
	if m.phase != "ringing" || d.Account != "bob" {
		return false
	}
	m.phase, m.winner, m.mediaBy = "connecting", d.ID, now.Add(20*time.Second)
	return true
}

// time ends what is over by now; the model is asked each second.
func (m *model) time(now time.Time) {
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	// When both are due in the same second, nobody answered.
	if m.phase == "ringing" && due(m.answerBy) {
		m.end(call.Timeout)
	}
	for _, a := range []call.Account{"alice", "bob"} {
		since := m.gone[a]
		if since.IsZero() || m.phase == "ended" {
			continue
		}
		other := map[call.Account]call.Account{"alice": "bob", "bob": "alice"}[a]
		grace := 30 * time.Second
		switch {
		case m.phase == "ringing":
			grace = 10 * time.Second
		case m.leaving[a]:
			grace = 10 * time.Second
		}
		if m.phase != "ringing" && m.media[other] && m.gone[other].IsZero() {
			grace = 40 * time.Second
		}
		if due(since.Add(grace)) {
			m.end(call.Lost)
		}
	}
	if m.asks != "" && due(m.askedAt.Add(30*time.Second)) {
		m.asks = ""
	}
	if m.phase == "connecting" && due(m.mediaBy) {
		m.end(call.Failed)
	}
}

// anything draws an input. Ringing devices have no time-outs of their own here,
// and do not go away: those have tests that say what is meant.
func anything(t *rapid.T, generation uint32, seq *uint64) call.Input {
	from := rapid.SampledFrom([]call.Device{alice, laptop, bob, phone, carol}).Draw(t, "from")
	gen := rapid.Uint32Range(1, generation).Draw(t, "generation")
	*seq++
	next := from
	next.Conn.Seq = *seq
	up := rapid.Bool().Draw(t, "up")
	return rapid.SampledFrom([]call.Input{
		call.Cancel{Device: from},
		call.Ring{Device: from},
		call.StopRinging{Device: from},
		call.Accept{Device: from, Generation: gen, Answer: "v=0"},
		call.Accept{Device: from, Generation: gen, Answer: "v=0"},
		call.Merge{Device: from, Type: call.Video},
		call.Reject{Device: from},
		call.Answer{Device: from, Generation: gen, SDP: "v=0 a"},
		call.Offer{Device: from, Generation: gen, SDP: "v=0 o"},
		call.Hangup{Device: from},
		call.Report{Device: from, Generation: gen, Up: up},
		call.Report{Device: from, Generation: gen, Up: true},
		call.Restart{Device: from, From: gen, Rebuild: up},
		call.SetTracks{Device: from, Tracks: call.Tracks{Audio: up}},
		call.SwitchType{Device: from, Type: call.Audio},
		call.SwitchType{Device: from, Type: call.Video},
		call.Gone{Device: from},
		call.Back{Device: next},
		call.Leave{Device: from},
		call.Reload{Device: next, Resume: up},
		call.Supersede{Device: from},
		call.Kick{Device: from},
		call.Terminate{},
	}).Draw(t, "input")
}

// Step agrees with the model whatever happens, and keeps its promises at every step.
func TestModel(t *testing.T) {
	names := map[call.State]string{call.Ringing: "ringing", call.Connecting: "connecting", call.Connected: "connected", call.Ended: "ended"}
	rapid.Check(t, func(t *rapid.T) {
		c, _, err := call.New(invitation(), epoch)
		if err != nil {
			t.Fatal(err)
		}
		m, now, seq := newModel(), epoch, uint64(1)
		apply := func(in call.Input) {
			in = onPresentConnection(&c, in)
			next, effects, err := call.Step(c, in, now)
			promises(t, &c, &next, effects, err)
			c = next
			m.apply(in, now)
			if c.Live() && (c.Type == call.Video != m.video || c.Ask.By != m.asks) {
				t.Fatalf("after %T %+v: type %d asked for by %q, the model says %v %q", in, in, c.Type, c.Ask.By, m.video, m.asks)
			}
			if names[c.State] != m.phase || c.Outcome.Reason != m.reason || c.Media.Generation != m.gen {
				t.Fatalf("after %T %+v: %s reason %d generation %d, the model says %s %d %d",
					in, in, names[c.State], c.Outcome.Reason, c.Media.Generation, m.phase, m.reason, m.gen)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "length") {
			for range rapid.IntRange(0, 12).Draw(t, "seconds") {
				now = now.Add(time.Second)
				apply(call.Tick{})
			}
			apply(anything(t, c.Media.Generation, &seq))
		}
		// Whoever is left alone with a dead line is freed in time.
		apply(call.Gone{Device: alice})
		apply(call.Gone{Device: c.Callee().Device})
		for range 130 {
			now = now.Add(time.Second)
			apply(call.Tick{})
		}
		if c.Live() {
			t.Fatalf("both sides are gone and the call is in state %d", c.State)
		}
	})
}

// onPresentConnection has news of a lost connection be of the present one: old
// news is ignored, which has its own test.
func onPresentConnection(c *call.Call, in call.Input) call.Input {
	present := func(d call.Device) call.Device {
		if l := c.Leg(d.Account); l != nil && l.Device.Is(d) {
			return l.Device
		}
		if d.Account == "bob" && c.State == call.Ringing {
			d.Conn.Seq = 0 // No ringing device's connection.
		}
		return d
	}
	switch in := in.(type) {
	case call.Gone:
		return call.Gone{Device: present(in.Device)}
	case call.Leave:
		return call.Leave{Device: present(in.Device)}
	case call.Reload:
		if c.State == call.Ringing && in.Device.Account == "bob" {
			return call.Tick{}
		}
	case call.Kick:
		if c.State == call.Ringing && in.Device.Account == "bob" {
			return call.Tick{}
		}
	}
	return in
}

// shown is all that the caller sees of a call.
func shown(c *call.Call) string {
	callee := *c.Callee()
	callee.Ringers = nil
	return fmt.Sprint(c.State, c.Type, c.Ask, c.Outcome, c.Media, c.ConnectedAt, *c.Caller(), callee)
}

// promises holds one step to what every step promises.
func promises(t *rapid.T, was, next *call.Call, effects []call.Effect, err error) {
	var refused call.Refusal
	_, hadRecord := was.Record()
	_, hasRecord := next.Record()
	switch {
	case err != nil && !errors.As(err, &refused):
		t.Fatalf("an error that is no refusal: %v", err)
	case next.Rev != was.Rev && next.Rev != was.Rev+1:
		t.Fatalf("S7: rev went from %d to %d", was.Rev, next.Rev)
	case next.Rev == was.Rev && len(effects) > 0:
		t.Fatalf("effects without a change: %v", effects)
	case err != nil && next.Rev != was.Rev:
		t.Fatalf("refused, and changed: %v", err)
	case next.State < was.State:
		t.Fatalf("S7: state went from %d to %d", was.State, next.State)
	case next.RevFor("alice") < was.RevFor("alice"):
		t.Fatalf("S7: the caller's rev went from %d to %d", was.RevFor("alice"), next.RevFor("alice"))
	case next.RevFor("alice") == was.RevFor("alice") && shown(was) != shown(next):
		t.Fatalf("the caller's rev stays while what it sees goes from %s to %s", shown(was), shown(next))
	case next.RevFor("alice") != was.RevFor("alice") && next.State == call.Ringing && shown(was) == shown(next):
		t.Fatalf("the caller notices a change that it does not see: %s", shown(next))
	case !was.Live() && next.Rev != was.Rev:
		t.Fatal("S2: an ended call changed")
	case hasRecord != (next.State == call.Ended) || hadRecord && !hasRecord:
		t.Fatal("S3: a record without an ending, or none with it")
	case !next.Live() && (next.Media.Offer != "" || next.Media.Answer != ""):
		t.Fatal("descriptions outlive the call")
	case next.State == call.Ringing && next.Media.Answer != "":
		t.Fatal("S6: an answer before the acceptance")
	}
	for _, e := range effects {
		if next.Leg(e.Account) == nil {
			t.Fatalf("S5: %s is told", e.Account)
		}
		if e.With&call.WithAnswer != 0 && next.State == call.Ringing {
			t.Fatal("S6: an answer is told before the acceptance")
		}
	}
}
