package explore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// world is one state: the call, what is on its way, and what devices know.
type world struct {
	call    call.Call
	now     time.Time
	flight  []message
	devices []device
	left    Scope // What may still go wrong.
	path    *path
}

// message is on its way from a device to the server.
type message struct {
	from  int
	act   Act
	input call.Input
	// What tells two of them apart: which act, by which connection, of which generation.
	bit        int
	seq        uint64
	generation uint32
}

// device is one client, and what it has been shown of the call.
type device struct {
	device call.Device
	here   bool
	done   uint32
	shown  shown
}

// shown is as much of a snapshot as decides what a device does next.
type shown struct {
	state      call.State
	role       call.Role
	generation uint32
	reason     call.Reason
	stopped    bool
	offer      bool // There is one to answer.
}

// path is how a state was come to, backwards.
type path struct {
	who  call.DeviceID
	act  Act
	what string
	from *path
}

func begin(s Scope) (*world, error) {
	w := &world{now: epoch, left: s, path: &path{who: "a1", what: "calls bob"}}
	add := func(account, id string) {
		d := call.Device{Account: call.Account(account), ID: call.DeviceID(id), Conn: call.Connection{Incarnation: "n", Seq: 1}}
		w.devices = append(w.devices, device{device: d, here: true})
	}
	add("alice", "a1")
	for i := range s.Devices {
		add("bob", fmt.Sprintf("b%d", i+1))
	}
	add("carol", "c1") // Who has no part in it.
	c, effects, err := call.New(call.Invite{
		ID: "call", Caller: w.devices[0].device, Callee: "bob", Type: call.Video, Offer: "offer 1", Timing: call.DefaultTiming(),
	}, w.now)
	if err != nil {
		return nil, err
	}
	w.call = c
	w.show(w.devices[0].device)
	for _, e := range effects {
		w.tell(e)
	}
	return w, nil
}

// next is a copy to change, one step further.
func (w *world) next(who call.DeviceID, act Act, what string) *world {
	n := *w
	n.flight = slices.Clone(w.flight)
	n.devices = slices.Clone(w.devices)
	n.path = &path{who, act, what, w.path}
	return &n
}

// reconnect puts a device on a new connection.
func (w *world) reconnect(i int) {
	w.devices[i].here = true
	w.devices[i].device.Conn.Seq++
}

// tell shows the call to the devices that an effect names.
func (w *world) tell(e call.Effect) {
	for i := range w.devices {
		d := &w.devices[i]
		if d.here && d.device.Account == e.Account && (e.Device == "" || e.Device == d.device.ID) {
			w.show(d.device)
		}
	}
}

// show has a device see the call, as the node does: not one without a part in it.
func (w *world) show(to call.Device) {
	if w.call.Role(to) == call.Outsider {
		return
	}
	for i := range w.devices {
		if d := &w.devices[i]; d.device == to {
			m := &w.call.Media
			d.shown = shown{
				w.call.State, w.call.Role(to), m.Generation, w.call.Outcome.Reason,
				w.call.State == call.Ringing && w.call.RingEnd(to).Stopped, m.Offer != "" && m.Answer == "",
			}
		}
	}
}

// input is what a device sends for an act; not ok where it would not, by what
// it has been shown.
func (w *world) input(act Act, d device) (in call.Input, ok bool) {
	v := d.shown
	caller, callee := v.role == call.CallerRole, v.role == call.CalleeRole
	rings := v.state == call.Ringing
	talks := (v.state == call.Connecting || v.state == call.Connected) && (caller || callee)
	early := caller && rings // A caller that does not wait for the answer.
	who := d.device
	switch act {
	case Ring:
		return call.Ring{Device: who}, callee && rings
	case Stop:
		return call.StopRinging{Device: who}, callee && rings
	case Accept:
		return call.Accept{Device: who, Generation: v.generation, Answer: call.SDP(fmt.Sprint("answer ", v.generation))}, callee && rings && !v.stopped
	case Merge:
		return call.Merge{Device: who, Type: call.Audio}, callee && rings
	case Reject:
		return call.Reject{Device: who}, callee && rings && !v.stopped
	case Cancel:
		return call.Cancel{Device: who}, caller && rings
	case Hangup:
		return call.Hangup{Device: who}, talks || rings && (caller || callee)
	case Up:
		return call.Report{Device: who, Generation: v.generation, Up: true}, talks || early
	case Down:
		return call.Report{Device: who, Generation: v.generation}, talks
	case Renew:
		return call.Restart{Device: who, From: v.generation}, talks || caller && rings
	case Offer:
		return call.Offer{Device: who, Generation: v.generation, SDP: call.SDP(fmt.Sprint("offer ", v.generation))}, caller && v.state != call.Ended
	case Answer:
		return call.Answer{Device: who, Generation: v.generation, SDP: call.SDP(fmt.Sprint("answer ", v.generation))}, callee && (talks && v.offer || rings)
	case ToAudio:
		return call.SwitchType{Device: who, Type: call.Audio}, talks || early
	case ToVideo:
		return call.SwitchType{Device: who, Type: call.Video}, talks
	case Tracks:
		return call.SetTracks{Device: who, Tracks: call.Tracks{Audio: true}}, talks || early
	case Supersede:
		return call.Supersede{Device: who}, talks || caller
	case Kick:
		return call.Kick{Device: who}, v.role != call.Outsider && v.state != 0
	case LeavePage:
		return call.Leave{Device: who}, talks || caller
	case Terminate:
		return call.Terminate{}, caller
	case StrangerIn:
		return call.Hangup{Device: who}, who.Account == "carol"
	}
	return nil, false
}

// key names a state: two with the same key go on in the same ways. Times count
// from now, and revs do not matter for what follows.
type key [16]byte

func (w *world) key() key {
	c := &w.call
	b := make([]byte, 0, 512)
	num := func(ns ...int64) {
		for _, n := range ns {
			b = binary.AppendVarint(b, n)
		}
	}
	text := func(s string) { b = append(append(b, s...), 0) }
	flags := func(all ...bool) {
		for _, f := range all {
			if f {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
	}
	since := func(t time.Time) {
		if t.IsZero() {
			num(-1 << 40)
		} else {
			num(int64(t.Sub(w.now) / time.Millisecond))
		}
	}
	num(int64(c.State), int64(c.Type), int64(c.Media.Generation), int64(c.Media.Rebuild), int64(c.Outcome.Reason), int64(c.Outcome.Kind))
	text(string(c.Ask.By))
	since(c.Ask.Until)
	since(c.Until)
	text(string(c.Media.Offer))
	text(string(c.Media.Answer))
	text(string(c.Outcome.Device))
	flags(c.ConnectedAt.IsZero())
	for i := range c.Legs {
		l := &c.Legs[i]
		text(string(l.Device.ID))
		num(int64(l.Device.Conn.Seq))
		since(l.Gone)
		flags(l.Leaving, l.MediaUp, l.Tracks.Audio)
		for _, r := range l.Ringers {
			text(string(r.Device.ID))
			num(int64(r.Device.Conn.Seq))
			flags(r.Stopped, r.Gone)
			since(r.Until)
		}
		text("")
	}
	// The order of what is on its way does not matter: any may come first.
	flight := make([]uint64, 0, len(w.flight))
	for _, m := range w.flight {
		flight = append(flight, uint64(m.from)<<56|uint64(m.bit)<<48|uint64(m.generation)<<32|m.seq)
	}
	slices.Sort(flight)
	for _, m := range flight {
		b = binary.AppendUvarint(b, m)
	}
	for i := range w.devices {
		d := &w.devices[i]
		v := &d.shown
		num(-1, int64(d.device.Conn.Seq), int64(d.done), int64(v.state), int64(v.role), int64(v.generation), int64(v.reason))
		flags(d.here, v.stopped, v.offer)
	}
	l := &w.left
	num(int64(l.Loss), int64(l.Duplicate), int64(l.Gone), int64(l.Reload), int64(l.Restart))
	h := fnv.New128a()
	h.Write(b)
	return key(h.Sum(nil))
}

// holds checks what must be true of every state by itself.
func (w *world) holds() error {
	c := &w.call
	winners := 0
	for _, d := range w.devices {
		role := c.Role(d.device)
		if d.device.Account == "bob" && role == call.CalleeRole && c.State != call.Ringing {
			winners++
		}
		if d.device.Account == "carol" && (role != call.Outsider || d.shown != shown{}) {
			return errors.New("S5: a stranger is shown the call")
		}
		if _, _, err := c.SignalTo(d.device); d.device.Account == "bob" && c.State == call.Ringing && err == nil {
			return errors.New("S6: a callee's signal passes before the acceptance")
		}
		if d.shown.reason != 0 && d.shown.reason != c.Outcome.Reason {
			return fmt.Errorf("S2: %s was shown reason %d, the call has %d", d.device.ID, d.shown.reason, c.Outcome.Reason)
		}
	}
	_, filed := c.Record()
	switch {
	case winners > 1:
		return fmt.Errorf("S1: %d devices of the callee are in the call", winners)
	case filed != !c.Live():
		return fmt.Errorf("S3: filed %v while in state %s", filed, stateName(c.State))
	}
	if _, due := c.Deadline(); !due && c.Live() && c.State != call.Connected {
		return fmt.Errorf("a call is %s for ever", stateName(c.State))
	}
	return w.ends()
}

// ends holds that no state is a dead end: once everybody is gone, time alone
// brings the call to its end, soon.
func (w *world) ends() error {
	c, now := w.call, w.now
	for _, d := range w.devices {
		if d.here {
			c, _, _ = call.Step(c, call.Gone{Device: d.device}, now)
		}
	}
	for range 20 {
		at, due := c.Deadline()
		if !due {
			break
		}
		now = later(now, at)
		c, _, _ = call.Step(c, call.Tick{}, now)
	}
	switch {
	case c.Live():
		return fmt.Errorf("a dead end: nobody is there, and the call stays %s", stateName(c.State))
	case now.Sub(w.now) > 130*time.Second:
		return fmt.Errorf("everybody is gone, and it ends after %s", now.Sub(w.now))
	}
	return nil
}

// promises holds one step to what every step promises.
func promises(was, next *call.Call, effects []call.Effect, err error) error {
	_, hadRecord := was.Record()
	switch {
	case err != nil && next.Rev != was.Rev:
		return fmt.Errorf("refused, and changed: %w", err)
	case next.Rev != was.Rev && next.Rev != was.Rev+1:
		return fmt.Errorf("S7: rev went from %d to %d", was.Rev, next.Rev)
	case next.RevFor("alice") < was.RevFor("alice"):
		return errors.New("S7: the caller's rev went back")
	case next.Rev == was.Rev && len(effects) > 0:
		return errors.New("effects without a change")
	case next.State < was.State:
		return fmt.Errorf("S7: state went from %s to %s", stateName(was.State), stateName(next.State))
	case !was.Live() && next.Rev != was.Rev:
		return errors.New("S2: an ended call changed")
	case hadRecord && !was.Live() && next.Outcome != was.Outcome:
		return errors.New("S3: a record changed")
	case !next.Live() && (next.Media.Offer != "" || next.Media.Answer != ""):
		return errors.New("descriptions outlive the call")
	}
	for _, e := range effects {
		switch {
		case next.Leg(e.Account) == nil:
			return fmt.Errorf("S5: %s is told", e.Account)
		case e.With&call.WithAnswer != 0 && next.State == call.Ringing:
			return errors.New("S6: an answer is told before the acceptance")
		case e.With&call.WithAnswer != 0 && e.Account != next.Caller().Account:
			return errors.New("S5: an answer is told to another than the caller")
		case e.With&call.WithOffer != 0 && e.Account != next.Callee().Account:
			return errors.New("S5: an offer is told to another than the callee")
		}
	}
	return nil
}

// meaning holds a step to what its words mean.
func meaning(was, next *call.Call, in call.Input, now time.Time) error {
	if accept, ok := in.(call.Accept); ok && was.State == call.Ringing && next.State == call.Connecting && was.RingEnd(accept.Device).Stopped {
		return errors.New("a device answers that had stopped ringing")
	}
	if was.State == call.Ringing && next.State == call.Connecting && !next.Until.Equal(now.Add(next.Timing.Connect)) {
		return errors.New("the wait for media does not begin with the answer")
	}
	for what, sdp := range map[string]call.SDP{"offer": next.Media.Offer, "answer": next.Media.Answer} {
		if want := fmt.Sprint(what, " ", next.Media.Generation); sdp != "" && string(sdp) != want {
			return fmt.Errorf("generation %d has the description %q", next.Media.Generation, string(sdp))
		}
	}
	if was.Live() && !next.Live() {
		ringing := was.State == call.Ringing
		switch r := next.Outcome.Reason; r {
		case call.Cancelled, call.Rejected, call.Timeout:
			if !ringing {
				return fmt.Errorf("an answered call ends with reason %d", r)
			}
		case call.Completed, call.Failed:
			if ringing || r == call.Failed && was.State == call.Connected {
				return fmt.Errorf("a call that is %s ends with reason %d", stateName(was.State), r)
			}
		case call.Busy, call.Lost, call.Superseded, call.Kicked, call.Terminated:
		}
	}
	return nil
}

func (w *world) fail(what error) error { return w.path.fail(what) }

// fail tells a violation with the way to it.
func (p *path) fail(what error) error {
	var steps []string
	for ; p != nil; p = p.from {
		steps = append(steps, strings.Join(strings.Fields(fmt.Sprint(p.who, " ", p.act, " ", p.what)), " "))
	}
	slices.Reverse(steps)
	return fmt.Errorf("%w, after:\n  %s", what, strings.Join(steps, "\n  "))
}
