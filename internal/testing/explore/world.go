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
	left    faults
	path    *path
}

// faults are what may still go wrong.
type faults struct{ loss, duplicate, gone, reload, restart, overlap int }

// message is on its way from a device to the server.
type message struct {
	from  int
	act   Act
	input call.Input
	// What tells two of them apart: which act, by which connection, about what.
	bit   int
	seq   uint64
	about uint64
}

// device is one client, and what it has received of the call.
type device struct {
	device call.Device
	here   bool
	done   uint32
	// dialled: it has called the caller back.
	dialled bool
	shown   shown
}

// shown is as much of what a device received as decides what the device does next.
type shown struct {
	state      call.State
	role       call.Role
	generation uint32
	reason     call.Reason
	stopped    bool
	// The descriptions of the present generation that it has from the other side.
	offer, answer bool
}

// path is how a state was come to, backwards.
type path struct {
	who  call.DeviceID
	act  Act
	what string
	from *path
}

func begin(s Scope) (*world, error) {
	w := &world{now: epoch, left: faults{s.Loss, s.Duplicate, s.Gone, s.Reload, s.Restart, s.Overlap}, path: &path{who: "a1", what: "calls bob"}}
	add := func(account, id string) {
		d := call.Device{Account: call.Account(account), ID: call.DeviceID(id), Conn: call.Connection{Incarnation: "n", Seq: 1}}
		w.devices = append(w.devices, device{device: d, here: true})
	}
	add("alice", "a1")
	for i := range s.Devices {
		add("bob", fmt.Sprintf("b%d", i+1))
	}
	add("carol", "c1") // The devices without a part in it.
	if s.Second {
		add("alice", "a2")
	}
	c, effects, err := call.New(call.Invite{
		ID: "call", Caller: w.devices[0].device, Callee: "bob", Type: call.Video, Policy: s.Policy,
		Offer: describe("offer", 1, "a1", false), Timing: call.DefaultTiming(),
	}, w.now)
	if err != nil {
		return nil, err
	}
	c.Deaf = s.Deaf // As the store does, which leaves out the effects for the callee.
	w.call = c
	if err := w.show(0, 0); err != nil {
		return nil, err
	}
	for _, e := range effects {
		if c.Leg(e.Account) == nil {
			continue
		}
		if err := w.tell(e, make([]bool, len(w.devices))); err != nil {
			return nil, err
		}
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
func (w *world) tell(e call.Effect, heard []bool) error {
	for i := range w.devices {
		d := &w.devices[i]
		if d.device.Account != e.Account || e.Device != "" && e.Device != d.device.ID {
			continue
		}
		if err := given(&w.call, d.device, e.With); err != nil {
			return err
		}
		if d.here {
			heard[i] = true
			if err := w.show(i, e.With); err != nil {
				return err
			}
		}
	}
	return nil
}

// show has a device see the call, as the node does: not one without a part in it. For a device it
// may be over before it is for all: where another one answered, and where its own time-out stopped
// it. It receives no other end after that; only a device that dials the caller after its own
// time-out is in the call all the same.
func (w *world) show(i int, with call.Attachments) error {
	c, d := &w.call, &w.devices[i]
	m, role := &c.Media, c.Role(d.device)
	if role == call.Outsider {
		return nil
	}
	was, same := d.shown, d.shown.generation == m.Generation
	d.shown = shown{
		state: c.State, role: role, generation: m.Generation, reason: c.Outcome.Reason,
		stopped: c.State == call.Ringing && c.RingEnd(d.device).Stopped,
		offer:   m.Offer != "" && (with&call.WithOffer != 0 || same && was.offer),
		answer:  m.Answer != "" && (with&call.WithAnswer != 0 || same && was.answer),
	}
	elsewhere := was.role == call.Observer && d.device.Account == "bob" && was.state != call.Ended
	switch {
	case was.reason != 0 && was.reason != c.Outcome.Reason:
		return fmt.Errorf("S2: %s is told reason %d, after %d", d.device.ID, c.Outcome.Reason, was.reason)
	case elsewhere && role != call.Observer:
		return fmt.Errorf("S2: %s is told that it is in the call, after another had answered", d.device.ID)
	case was.stopped && c.State == call.Ringing && !d.shown.stopped:
		return fmt.Errorf("S2: %s is told that it rings, after its own time-out", d.device.ID)
	case was.stopped && c.State != call.Ringing && role == call.CalleeRole && !d.dialled:
		return fmt.Errorf("S2: %s is told that it is in the call, after its own time-out", d.device.ID)
	}
	return nil
}

// input is what a device sends for an act; not ok where it would not, by what
// it has been shown.
func (w *world) input(act Act, d device) (in call.Input, ok bool) {
	v := d.shown
	caller, callee := v.role == call.CallerRole, v.role == call.CalleeRole
	if d.device.ID == "a2" { // As if it were the one that calls.
		caller, v.state, v.generation = true, w.call.State, w.call.Media.Generation
	}
	if w.call.Deaf && d.device.Account == "bob" { // As if it rang.
		callee, v.state, v.generation, v.offer = true, w.call.State, w.call.Media.Generation, true
	}
	rings := v.state == call.Ringing
	talks := (v.state == call.Connecting || v.state == call.Connected) && (caller || callee)
	early := caller && rings // A caller that does not wait for the answer.
	who := d.device
	switch act {
	case Ring:
		return call.Ring{Device: who}, callee && rings
	case RingFor:
		return call.Ring{Device: who, For: ringFor(who)}, callee && rings
	case Stop:
		return call.StopRinging{Device: who}, callee && rings
	case Accept:
		accept := call.Accept{Device: who, Generation: v.generation}
		if v.offer {
			accept.Answer = describe("answer", v.generation, who.ID, false)
		}
		return accept, callee && rings && !v.stopped
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
	case Rebuild:
		return call.Restart{Device: who, From: v.generation, Rebuild: true}, talks || caller && rings
	case Offer:
		return call.Offer{Device: who, Generation: v.generation, SDP: describe("offer", v.generation, who.ID, true)}, caller && v.state != call.Ended
	case Answer:
		return call.Answer{Device: who, Generation: v.generation, SDP: describe("answer", v.generation, who.ID, true)}, callee && (talks && v.offer || rings)
	case ToAudio:
		return call.SwitchType{Device: who, Type: call.Audio}, talks || early
	case ToVideo:
		return call.SwitchType{Device: who, Type: call.Video}, talks
	case Tracks:
		return call.SetTracks{Device: who, Tracks: call.Tracks{Audio: true}}, talks || early
	case Supersede:
		return call.Supersede{Device: who}, talks || caller || callee && rings
	case Kick:
		return call.Kick{Device: who}, caller || v.role != call.Outsider && v.state != 0
	case LeavePage:
		return call.Leave{Device: who}, talks || caller
	case Terminate:
		return call.Terminate{}, caller
	case Dials: // Of a world of several calls.
	case StrangerIn:
		return call.Hangup{Device: who}, who.Account == "carol"
	}
	return nil, false
}

// ringFor is the time-out of a device of the callee: 20 s for its first.
func ringFor(d call.Device) time.Duration {
	return 10*time.Second + 10*time.Second*time.Duration(d.ID[1]-'0')
}

// about tells two messages of the same act apart.
func about(in call.Input) uint64 {
	switch in := in.(type) {
	case call.Accept:
		return uint64(in.Generation)<<1 | uint64(min(len(in.Answer), 1))
	case call.Offer:
		return uint64(in.Generation)
	case call.Answer:
		return uint64(in.Generation)
	case call.Report:
		return uint64(in.Generation)
	case call.Restart:
		return uint64(in.From)
	}
	return 0
}

// key names a state: two with the same key go on in the same ways.
type key [16]byte

func (w *world) key() key {
	b := digest(make([]byte, 0, 512), &w.call, w.now)
	// The order of what is on its way does not matter: any may come first.
	flight := make([]uint64, 0, len(w.flight))
	for _, m := range w.flight {
		flight = append(flight, uint64(m.from)<<56|uint64(m.bit)<<48|m.about<<32|m.seq)
	}
	slices.Sort(flight)
	for _, m := range flight {
		b = binary.AppendUvarint(b, m)
	}
	for i := range w.devices {
		d := &w.devices[i]
		v := &d.shown
		for _, n := range []int64{
			-1, int64(d.device.Conn.Seq), int64(d.done), int64(v.state), int64(v.role), int64(v.generation), int64(v.reason),
			bits(d.here, v.stopped, v.offer, v.answer),
		} {
			b = binary.AppendVarint(b, n)
		}
	}
	l := &w.left
	for _, n := range []int{l.loss, l.duplicate, l.gone, l.reload, l.restart, l.overlap} {
		b = binary.AppendVarint(b, int64(n))
	}
	h := fnv.New128a()
	h.Write(b)
	return key(h.Sum(nil))
}

// bits makes one number of flags.
func bits(all ...bool) (n int64) {
	for _, f := range all {
		if n <<= 1; f {
			n |= 1
		}
	}
	return n
}

// holds checks a state: the call, what each device may have of it, and what the devices that are
// there have received.
func (w *world) holds() error {
	c := &w.call
	if err := stands(c); err != nil {
		return err
	}
	there := make([]call.Device, 0, len(w.devices))
	for i := range w.devices {
		d := &w.devices[i]
		v, role := &d.shown, c.Role(d.device)
		if d.here {
			there = append(there, d.device)
		}
		if err := reach(c, d.device); err != nil {
			return err
		}
		switch {
		case c.Leg(d.device.Account) == nil && *v != shown{}:
			return errors.New("S5: a stranger is shown the call")
		case v.reason != 0 && v.reason != c.Outcome.Reason:
			return fmt.Errorf("S2: %s was told reason %d, the call has %d", d.device.ID, v.reason, c.Outcome.Reason)
		case d.here && role == call.CallerRole && c.Media.Answer != "" && !v.answer:
			return fmt.Errorf("%s waits for an answer that there is", d.device.ID)
		case d.here && role == call.CalleeRole && c.Media.Offer != "" && c.Media.Answer == "" && !v.offer:
			return fmt.Errorf("%s waits for an offer that there is", d.device.ID)
		}
	}
	return deadEnd(*c, there, w.now)
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
