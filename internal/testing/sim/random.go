package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// RunRandom gives twins random inputs, also ones that no server and no application
// would give, and fails at the first on which they differ. Run reaches long and likely
// sequences of inputs; RunRandom reaches unlikely ones.
func RunRandom(seed uint64, worker *Worker, steps int) error {
	if err := worker.clear(); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 0x7a1d))
	var failure error
	fail := func(err error) {
		if failure == nil {
			failure = fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	r := &random{rng: rng, many: rng.Float64()}
	c := device.Config{ID: "d1", Client: "random", Resume: rng.IntN(2) == 0, Seed: rng.Uint32()}
	if r.chance(0.5) {
		c.RecordsSince = r.moment().AsTime()
	}
	if r.chance(0.3) {
		c.AttemptAt = r.moment().AsTime()
	}
	// The Go machine and the TypeScript machine step side by side, with the same seed of their own.
	t := &twins{Device: device.New(c), twin: newScripted(worker, c, fail), differ: fail}
	now := time.Date(2030, 1, 1, 0, 0, 0, rng.IntN(1e9), time.UTC)
	for range steps {
		r.active = t.Call()
		in := r.input(t.Device)
		// Without this jump few deadlines would be met exactly, and an off-by-one there shows nowhere.
		if at, ok := t.Deadline(); ok && rng.IntN(3) == 0 && at.After(now) {
			now, in = at, device.Woke{}
		} else {
			now = now.Add(time.Duration(rng.Int64N(int64(2 * time.Second))))
		}
		for _, e := range t.Step(now, in) {
			r.learn(e)
		}
		if failure != nil {
			return failure
		}
	}
	return nil
}

// random makes inputs. Pure noise would be refused at the door and reach little: most inputs follow
// from the device's own effects, or are about the call that it is in, and some are neither.
type random struct {
	rng    *rand.Rand
	next   []device.Input // What would follow.
	socket device.Socket
	sent   []uint32     // The ids of the latest frames.
	active *pealv1.Call // The call that the device is in; may be nil.
	many   float64      // How often a call is one of many, so that memories overflow.
	ticket device.Ticket
}

// learn has most of what follows from an effect follow it.
func (r *random) learn(e device.Effect) {
	switch e := e.(type) {
	case device.GetToken:
		r.next = append(r.next, device.GotToken{Token: "t"})
	case device.Dial:
		r.socket = e.Socket
		if r.chance(0.1) {
			r.next = append(r.next, device.Closed(e))
		} else {
			r.next = append(r.next, device.Opened(e))
		}
	case device.Send:
		r.sent = append(r.sent, e.Frame.Id)
		r.sent = r.sent[max(0, len(r.sent)-8):]
		if e.Frame.GetHello() != nil {
			f := &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: r.welcome()}}
			r.next = append(r.next, device.Received{Socket: e.Socket, Frame: f})
		} else if r.chance(0.5) {
			r.next = append(r.next, device.Received{Socket: e.Socket, Frame: r.reply(e.Frame)})
		}
	case device.LoggedOut:
		r.next = append(r.next, device.Login{})
	}
}

func (r *random) chance(p float64) bool { return r.rng.Float64() < p }

// input makes the next input. The chances keep the device online most of the time, since offline it
// ignores nearly everything.
func (r *random) input(d *device.Device) device.Input {
	if d.State() == device.Offline && r.chance(0.5) {
		return device.Login{}
	}
	if len(r.next) > 0 && r.chance(0.8) {
		in := r.next[0]
		r.next = r.next[1:]
		return in
	}
	if r.chance(0.6) {
		return device.Received{Socket: r.anySocket(), Frame: r.frame()}
	}
	if r.chance(0.4) {
		return r.event()
	}
	return r.wish()
}

// event is something of the connection, or of the time.
func (r *random) event() device.Input {
	switch r.rng.IntN(12) {
	case 0:
		if r.chance(0.5) {
			return device.GotToken{Err: errors.New("no token")}
		}
		return device.GotToken{Token: "again"}
	case 1:
		return device.Opened{Socket: r.anySocket()}
	case 2:
		return device.Closed{Socket: r.anySocket()}
	case 3:
		return device.Stop{}
	case 4:
		return device.Probe{}
	case 5, 6, 7:
		return device.Suspect{}
	case 8:
		return device.NetworkChanged{}
	case 9:
		return device.Leaving{}
	case 10:
		return device.RecordsRemembered{RecordMemory: r.memory()}
	}
	return device.Woke{}
}

// wish is something of the application.
func (r *random) wish() device.Input {
	r.ticket++
	id := r.id()
	if r.active != nil && r.chance(0.7) {
		id = r.active.CallId
	}
	switch r.rng.IntN(18) {
	case 0, 1:
		return device.Invite{Ticket: r.ticket, Invite: r.invite(r.id())}
	case 2, 14:
		return device.Invite{Ticket: r.ticket, Invite: r.invite(id)}
	case 15, 16:
		return device.Draft{Ticket: r.ticket, Invite: r.invite(r.id())}
	case 17:
		return device.Abandon{Call: id}
	case 3, 4:
		return device.Accept{Ticket: r.ticket, Accept: &pealv1.Accept{CallId: id, Answer: "v=0", Generation: r.small()}}
	case 5, 6:
		return device.Reject{Ticket: r.ticket, Call: id}
	case 7, 8:
		return device.Cancel{Ticket: r.ticket, Call: id}
	case 9:
		return device.Hangup{Ticket: r.ticket, Call: id}
	case 10:
		return device.Ask{Ticket: r.ticket, Command: &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ringing{
			Ringing: &pealv1.Ringing{CallId: id, RingTimeoutMs: r.small()},
		}}}
	case 11:
		return device.Mention{Command: &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{
			Media: &pealv1.MediaReport{CallId: id, Generation: r.small(), Up: r.chance(0.5)},
		}}}
	case 12:
		return device.Forget{Ticket: device.Ticket(r.rng.IntN(int(r.ticket) + 1))}
	}
	return device.Logout{Ticket: r.ticket}
}

func (r *random) invite(id string) *pealv1.Invite {
	return &pealv1.Invite{
		CallId: id, Callee: "you", Type: pealv1.CallType(r.rng.IntN(4)), Offer: r.maybe("v=0"), Attachment: r.maybe("attached"),
		IcePolicy: pealv1.IcePolicy(r.rng.IntN(3)),
	}
}

// account is the one that logs in, mostly.
func (r *random) account() string {
	if r.chance(0.02) {
		return fmt.Sprint("me", r.rng.IntN(20))
	}
	return "me"
}

// memory is of records that may have been delivered, at times of the server's.
func (r *random) memory() device.RecordMemory {
	m := device.RecordMemory{Account: r.account(), Told: make(map[string]int64)}
	if r.chance(0.8) {
		m.Latest = r.moment().AsTime().UnixMilli()
	}
	for range r.rng.IntN(4) {
		m.Told[r.id()] = r.moment().AsTime().UnixMilli()
	}
	return m
}

func (r *random) anySocket() device.Socket {
	if r.chance(0.9) {
		return r.socket
	}
	return device.Socket(1 + r.rng.IntN(5))
}

// id is that of the call that the device is in, of one of a few, or of one of many.
func (r *random) id() string {
	switch {
	case r.active != nil && r.chance(0.4):
		return r.active.CallId
	case r.chance(r.many):
		return fmt.Sprint("call ", r.rng.IntN(500))
	}
	return fmt.Sprint("call ", r.rng.IntN(12))
}

func (r *random) small() uint32 { return uint32(r.rng.IntN(5)) }

func (r *random) maybe(s string) string {
	if r.chance(0.5) {
		return s
	}
	return ""
}

// moment is a time of the server's, with any precision, or none.
func (r *random) moment() *timestamppb.Timestamp {
	if r.chance(0.05) {
		return nil
	}
	// Go keeps nanoseconds and JavaScript milliseconds: the two must round alike.
	nanos := r.rng.IntN(1e9)
	for _, unit := range []int{1e9, 1e6, 1e3} {
		if r.chance(0.25) {
			nanos -= nanos % unit
		}
	}
	return &timestamppb.Timestamp{Seconds: 1_893_456_000 + int64(r.rng.IntN(600)), Nanos: int32(nanos)}
}

func (r *random) frame() *pealv1.ServerFrame {
	f := &pealv1.ServerFrame{}
	if len(r.sent) > 0 && r.chance(0.6) {
		f.ReplyTo = r.sent[r.rng.IntN(len(r.sent))]
	}
	if r.chance(0.2) {
		f.Error = r.error()
	}
	switch r.rng.IntN(20) {
	case 0:
		f.Body = &pealv1.ServerFrame_Welcome{Welcome: r.welcome()}
	case 1:
		f.Body = &pealv1.ServerFrame_Pong{Pong: &pealv1.Pong{}}
	case 2:
		f.Body = &pealv1.ServerFrame_Candidates{Candidates: &pealv1.Candidates{
			CallId: r.id(), Generation: r.small(), Candidates: candidates("you"),
		}}
	case 3:
		g := &pealv1.Goodbye{Reconnect: r.chance(0.6)}
		if r.chance(0.8) {
			g.Error = r.error()
		}
		f.Body = &pealv1.ServerFrame_Goodbye{Goodbye: g}
	case 4:
		f.Body = &pealv1.ServerFrame_Done{Done: &pealv1.Done{}}
	case 5, 6:
		f.Body = &pealv1.ServerFrame_Records{Records: r.records()}
	case 7:
	default:
		f.Body = &pealv1.ServerFrame_Call{Call: r.update()}
	}
	return f
}

// reply is an answer that a command may well get.
func (r *random) reply(to *pealv1.ClientFrame) *pealv1.ServerFrame {
	f := &pealv1.ServerFrame{ReplyTo: to.Id}
	if r.chance(0.3) {
		f.Error = r.error()
	}
	switch {
	case to.GetPing() != nil:
		f.Body = &pealv1.ServerFrame_Pong{Pong: &pealv1.Pong{}}
	case to.GetListRecords() != nil:
		f.Body = &pealv1.ServerFrame_Records{Records: r.records()}
	case r.chance(0.7):
		f.Body = &pealv1.ServerFrame_Call{Call: r.update()}
	}
	return f
}

func (r *random) records() *pealv1.RecordList {
	list := &pealv1.RecordList{More: r.chance(0.3)}
	for range r.rng.IntN(4) {
		list.Records = append(list.Records, r.record(r.id()))
	}
	if r.chance(0.1) { // More than a device remembers.
		for range 500 {
			list.Records = append(list.Records, r.record(fmt.Sprint("old ", r.rng.IntN(1e6))))
		}
	}
	return list
}

// error is one of the codes that the device treats in a way of their own.
func (r *random) error() *pealv1.Error {
	codes := []string{
		"already_accepted", "already_accepted", "call_ended", "kicked", "token_expired", "bad_token", "unavailable", "request_timeout", "busy_elsewhere", "logged_out",
	}
	return &pealv1.Error{Code: codes[r.rng.IntN(len(codes))], Message: "it failed", Retry: r.chance(0.3)}
}

func (r *random) welcome() *pealv1.Welcome {
	w := &pealv1.Welcome{Account: r.account(), LoginAt: r.moment(), Idle: r.heartbeat(), Active: r.heartbeat()}
	if r.chance(0.5) {
		w.TokenExpiresInMs = uint32(r.rng.IntN(100_000))
	}
	for range r.rng.IntN(3) {
		w.Calls = append(w.Calls, r.update())
	}
	if r.active != nil && r.chance(0.5) {
		u := r.update()
		u.Call = &pealv1.Call{
			CallId: r.active.CallId, Rev: r.active.Rev + 1, State: pealv1.CallState_CALL_STATE_ENDED, Role: r.active.Role,
			Record: r.record(r.active.CallId),
		}
		w.Calls = append(w.Calls, u)
	}
	return w
}

func (r *random) heartbeat() *pealv1.Heartbeat {
	if r.chance(0.3) {
		return nil
	}
	return &pealv1.Heartbeat{EveryMs: uint32(r.rng.IntN(4000)), DeadAfterMs: uint32(r.rng.IntN(8000))}
}

func (r *random) record(id string) *pealv1.Record {
	return &pealv1.Record{
		CallId: id, Kind: pealv1.RecordKind(r.rng.IntN(6)), Caller: "me", Callee: "you", Reason: pealv1.Reason(r.rng.IntN(11)),
		CreatedAt: r.moment(), EndedAt: r.moment(), DurationS: r.small(),
	}
}

func (r *random) update() *pealv1.CallUpdate {
	u := &pealv1.CallUpdate{Offer: r.maybe("v=0 offer"), Answer: r.maybe("v=0 answer")}
	if r.chance(0.1) {
		u.MergedInto = r.id()
	}
	if r.chance(0.3) {
		u.IceServers = []*pealv1.IceServer{{Urls: []string{"turn:relay"}, Username: "u", Credential: "c"}}
	}
	if r.chance(0.97) {
		u.Call = r.call()
		if u.MergedInto != "" && r.chance(0.8) {
			u.MergedInto = u.Call.CallId
		}
	}
	return u
}

// call is a snapshot that no server would make: its parts are drawn independently.
func (r *random) call() *pealv1.Call {
	c := &pealv1.Call{
		CallId: r.id(), Rev: uint32(r.rng.IntN(12)), State: pealv1.CallState(r.rng.IntN(4)), Type: pealv1.CallType(r.rng.IntN(4)),
		Role: pealv1.Role(r.rng.IntN(4)), RingStopped: r.chance(0.1), Generation: r.small(), RebuildGeneration: r.small(),
		ConnectedForMs: uint32(r.rng.IntN(10_000)), CreatedAt: r.moment(), Attachment: r.maybe("attached"),
		Caller: r.party("you"), Callee: r.party("me"), CandidatesHeld: r.small(),
	}
	if c.Role == pealv1.Role_ROLE_CALLER {
		c.Caller, c.Callee = c.Callee, c.Caller
	}
	if r.chance(0.2) {
		c.VideoAskedBy = []string{"me", "you"}[r.rng.IntN(2)]
	}
	if c.CallId == r.active.GetCallId() && r.chance(0.8) { // It goes on.
		c.Role, c.State, c.RingStopped = r.active.Role, max(c.State, r.active.State), false
		return c
	}
	if r.chance(0.4) {
		c.State, c.Reason, c.EndedAt = pealv1.CallState_CALL_STATE_ENDED, pealv1.Reason(r.rng.IntN(11)), r.moment()
		c.Actor, c.ActorDevice = []string{"", "me", "you"}[r.rng.IntN(3)], []string{"", "d1", "d2"}[r.rng.IntN(3)]
		if r.chance(0.8) {
			c.Record = r.record(c.CallId)
		}
	}
	return c
}

func (r *random) party(account string) *pealv1.Party {
	if r.chance(0.03) {
		return nil
	}
	p := &pealv1.Party{Account: account, Present: r.chance(0.8), Epoch: r.small(), MediaUp: r.chance(0.5)}
	if r.chance(0.7) {
		p.Tracks = &pealv1.Tracks{
			Audio: r.chance(0.5), AudioMuted: r.chance(0.5), Video: r.chance(0.5), VideoMuted: r.chance(0.5), Screen: r.chance(0.2),
		}
	}
	return p
}
