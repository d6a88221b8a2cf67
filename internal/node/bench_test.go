package node_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// bench is one node on a store, with clients that say what a test has them
// say. Everything happens at once; time stands still unless a test moves it.
type bench struct {
	t          *testing.T
	now        time.Time
	limits     protocol.Limits
	single     bool // Single login, for nodes booted from now on.
	policy     call.Policy
	relayless  bool
	logger     *slog.Logger
	memory     *store.Memory
	fault      store.Fault // What goes wrong with the next commits,
	faults     int         // and with how many of them.
	unread     int         // How many of the next reads of calls fail.
	unlisted   bool        // The calls of an account cannot be read.
	commits    []bool      // The commits so far: whether each was patient.
	hurried    int         // How often patience was ended.
	meddle     func()      // What happens while the next commit is under way.
	node       *node.Node
	start      int
	conns      map[node.ConnID]*client
	last       node.ConnID
	pending    []node.Effect
	published  []bus.Message
	subscribed []node.Subscribe
	lateBus    bool          // No subscription takes effect by itself.
	told       []node.Effect // For the log.
	busy       bool
	several    bool          // It is not the only node.
	breathless int           // So many of its signs of life fail.
	unheard    bool          // Its signs of life do not come to the store.
	alive      []string      // The other nodes that live.
	beats      int           // How often the node kept its lease.
	drain      time.Duration // Of nodes booted from now on.
	loads      int           // How many calls were read.
	format     uint8         // The newest that nodes booted from now on step; 0 for the usual one.
	lowest     uint8         // The lowest of all nodes; 0 for that of this one.
	asks       func(node.Request)
	// slowFailure is how long the store takes to fail a read.
	slowFailure time.Duration
	slowLists   bool   // The calls of an account are read when all else is done.
	after       func() // What happens once the next commit is done, before the node receives its result.
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), limits: protocol.DefaultLimits()}
	b.memory = store.NewMemory(func() time.Time { return b.now })
	b.boot()
	return b
}

// boot starts a node; one that ran before is gone with all of its connections.
func (b *bench) boot() {
	b.t.Helper()
	b.start++
	b.conns, b.pending = make(map[node.ConnID]*client), nil
	n, err := node.New(node.Config{
		Incarnation: fmt.Sprintf("n%d", b.start),
		Limits:      b.limits,
		Timing:      call.DefaultTiming(),
		SingleLogin: b.single,
		Policy:      b.policy,
		Logger:      b.logger,
		Alone:       !b.several,
		Drain:       b.drain,
		Format:      b.format,
		Lowest:      func() uint8 { return cmp.Or(b.lowest, 255) },
		Verify: func(token string, now time.Time) (auth.Identity, error) {
			switch token {
			case "bad":
				return auth.Identity{}, auth.ErrInvalid
			case "old":
				return auth.Identity{}, auth.ErrExpired
			}
			account, single := strings.CutSuffix(token, " alone")
			account, name, shown := strings.Cut(account, " as ")
			who := auth.Identity{Account: account, ExpiresAt: now.Add(24 * time.Hour), SingleLogin: single}
			if shown {
				who.Card = auth.Card{Name: name, Avatar: "https://example.com/" + name}
			}
			return who, nil
		},
		Announced: func(at netip.Addr) bool { return at == netip.MustParseAddr("203.0.113.5") },
		Servers: func(id call.ID, d call.Device, _ time.Time) []*pealv1.IceServer {
			if b.relayless {
				return nil
			}
			return []*pealv1.IceServer{{Urls: []string{"stun:" + string(d.Account)}}}
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.node = n
	b.wait(0)
}

// wait moves the time, stopping wherever the node wants to be woken.
func (b *bench) wait(d time.Duration) {
	b.t.Helper()
	end := b.now.Add(d)
	for range 100_000 {
		at, ok := b.node.Deadline()
		if !ok || at.After(end) {
			b.now = end
			return
		}
		if at.After(b.now) {
			b.now = at
		}
		b.step(node.Woke{})
	}
	b.t.Fatal("the node wants to be woken without end")
}

func (b *bench) step(in node.Input) {
	b.t.Helper()
	b.pending = append(b.pending, b.node.Step(b.now, in)...)
	if b.busy {
		return
	}
	b.busy = true
	for len(b.pending) > 0 {
		i := 0
		if b.slowLists {
			i = max(0, slices.IndexFunc(b.pending, func(e node.Effect) bool { _, list := e.(node.List); return !list }))
		}
		e := b.pending[i]
		b.pending = slices.Delete(b.pending, i, i+1)
		b.carryOut(e)
	}
	b.busy = false
}

func (b *bench) carryOut(e node.Effect) {
	b.t.Helper()
	ctx := context.Background()
	switch e := e.(type) {
	case node.Send:
		if c := b.conns[e.Conn]; c != nil {
			c.inbox = append(c.inbox, e.Frame)
		}
	case node.Close:
		if c := b.conns[e.Conn]; c != nil {
			c.closed = e.Reason
			if !c.talks {
				delete(b.conns, e.Conn)
				b.step(node.Closed{Conn: e.Conn})
			}
		}
	case node.Ping:
		if c := b.conns[e.Conn]; c != nil && !c.silent {
			b.step(node.Ponged(e))
		}
	case node.Named, node.Moved, node.Flows, node.Terminated, node.LoggedOut, node.Described, node.Inspected:
		b.told = append(b.told, e)
	case node.Hurry:
		b.hurried++
	case node.Commit:
		b.commits = append(b.commits, e.Patient)
		if meddle := b.meddle; meddle != nil {
			b.meddle = nil
			meddle()
		}
		s := store.NewFaulty(b.memory, b.spoil, nil)
		r, err := s.Commit(ctx, []store.Change{e.Change})
		if err != nil {
			r = store.Unknown(1, err)
		}
		if after := b.after; after != nil {
			b.after = nil
			after()
		}
		b.step(node.Committed{Ticket: e.Ticket, Result: r[0]})
	case node.Load:
		b.loads++
		c, err := b.memory.Call(ctx, e.ID)
		if b.unread > 0 {
			b.unread--
			c, err = call.Call{}, store.ErrInjected
			b.now = b.now.Add(b.slowFailure)
		}
		b.step(node.Loaded{Ticket: e.Ticket, Call: c, Err: err})
	case node.Beat:
		if b.unheard {
			return
		}
		if b.breathless > 0 {
			b.breathless--
			b.step(e.Failed(store.ErrInjected))
			return
		}
		// The node before is known to be dead at once.
		b.beats++
		alive := append([]string{fmt.Sprintf("n%d", b.start)}, b.alive...)
		slices.Sort(alive)
		b.step(node.Beaten{Ticket: e.Ticket, Sent: e.Sent, Alive: alive})
	case node.Publish:
		b.published = append(b.published, e.Message)
	case node.Subscribe:
		b.subscribed = append(b.subscribed, e)
		if !b.lateBus {
			b.step(node.Subscribed{Ticket: e.Ticket})
		}
	case node.Unsubscribe:
	case node.Request:
		if b.asks != nil {
			b.asks(e)
		}
		if _, list := e.(node.List); list && b.unlisted {
			b.step(e.Failed(store.ErrInjected))
			return
		}
		answer, err := e.Ask(ctx, b.memory)
		if err != nil {
			b.t.Fatal(err)
		}
		b.step(answer)
	default:
		b.t.Fatalf("unknown effect %T", e)
	}
}

// elsewhere has another node do something to a call, which this one does not hear of.
func (b *bench) elsewhere(n int, what func(*call.Call) call.Input) call.Call {
	b.t.Helper()
	was, err := b.memory.Call(b.t.Context(), call.ID(callID(n)))
	if err != nil {
		b.t.Fatal(err)
	}
	next, _, err := call.Step(was, what(&was), b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := b.memory.Commit(b.t.Context(), []store.Change{{Call: next, From: was.Rev}})
	if err != nil || r[0].Verdict != store.Done {
		b.t.Fatal(r, err)
	}
	return next
}

// invitedElsewhere makes the call 1, which this node does not hear of.
func (b *bench) invitedElsewhere(callee call.Account, caller call.Device) {
	b.t.Helper()
	made, _, err := call.New(call.Invite{
		ID: call.ID(callID(1)), Caller: caller, Callee: callee, Type: call.Audio, Timing: call.DefaultTiming(),
	}, b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	if r, err := b.memory.Commit(b.t.Context(), []store.Change{{Call: made}}); err != nil || r[0].Verdict != store.Done {
		b.t.Fatal(r, err)
	}
}

func (b *bench) spoil([]store.Change) store.Fault {
	if b.faults == 0 {
		return store.NoFault
	}
	b.faults--
	return b.fault
}

// client is one connection and what was sent to it.
type client struct {
	b       *bench
	conn    node.ConnID
	account string
	id      uint32
	inbox   []*pealv1.ServerFrame
	closed  string
	silent  bool // It answers no ping.
	talks   bool // It talks on after it was closed.
}

func (b *bench) open() *client {
	b.t.Helper()
	b.last++
	c := &client{b: b, conn: b.last}
	b.conns[c.conn] = c
	b.step(node.Opened{Conn: c.conn})
	return c
}

// login connects a device that holds no call.
func (b *bench) login(account, device string) *client {
	b.t.Helper()
	c := b.open()
	c.account = account
	f := c.do(&pealv1.Hello{Token: account, DeviceId: device, Fresh: true})
	if f.GetWelcome() == nil {
		b.t.Fatalf("%s/%s is not welcome: %v", account, device, f.GetError())
	}
	return c
}

// drop ends the connection without a word.
func (c *client) drop() {
	delete(c.b.conns, c.conn)
	c.b.step(node.Closed{Conn: c.conn})
}

// send sends a command. Its answer goes to the inbox.
func (c *client) send(command any) {
	c.b.t.Helper()
	c.id++
	f := frame(c.b.t, command)
	f.Id = c.id
	c.b.step(node.Received{Conn: c.conn, Frame: f})
}

// do sends a command and returns its answer, for which it waits while the store fails.
// Events stay in the inbox.
func (c *client) do(command any) *pealv1.ServerFrame {
	c.b.t.Helper()
	c.send(command)
	for range 16 {
		for i, r := range c.inbox {
			if r.ReplyTo == c.id {
				c.inbox = append(c.inbox[:i:i], c.inbox[i+1:]...)
				return r
			}
		}
		c.b.wait(500 * time.Millisecond)
	}
	c.b.t.Fatalf("no answer to %T", command)
	return nil
}

// events takes what has come unasked.
func (c *client) events() []*pealv1.ServerFrame {
	all := c.inbox
	c.inbox = nil
	return all
}

// event takes the one event that must have come.
func (c *client) event() *pealv1.CallUpdate {
	c.b.t.Helper()
	all := c.events()
	if len(all) != 1 || all[0].GetCall() == nil {
		c.b.t.Fatalf("%s was sent %v, want one call update", c.account, all)
	}
	return all[0].GetCall()
}

// quiet holds that nothing came.
func (c *client) quiet() {
	c.b.t.Helper()
	if all := c.events(); len(all) > 0 {
		c.b.t.Fatalf("%s was sent %v, want nothing", c.account, all)
	}
}

// frame is the one that holds a command.
func frame(t *testing.T, command any) *pealv1.ClientFrame {
	t.Helper()
	f, m := &pealv1.ClientFrame{}, command.(proto.Message).ProtoReflect()
	for _, field := range commands() {
		if field.Message() == m.Descriptor() {
			f.ProtoReflect().Set(field, protoreflect.ValueOfMessage(m))
			return f
		}
	}
	t.Fatalf("no frame for %T", command)
	return nil
}

// commands are all that there are, in the order of the schema.
func commands() (all []protoreflect.FieldDescriptor) {
	fields := (&pealv1.ClientFrame{}).ProtoReflect().Descriptor().Oneofs().ByName("command").Fields()
	for i := range fields.Len() {
		all = append(all, fields.Get(i))
	}
	return all
}

// bodies is how a device is shown the n-th call now.
func (b *bench) bodies(c *client, n int) string {
	u := c.do(&pealv1.Hangup{CallId: callID(n)}).GetCall()
	u.Call.CreatedAt, u.Call.EndedAt, u.Call.Record = nil, nil, nil
	return u.String()
}

// stored is the n-th call as the store has it.
func (b *bench) stored(n int) call.Call {
	b.t.Helper()
	c, err := b.memory.Call(context.Background(), call.ID(callID(n)))
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// callID makes the n-th id.
func callID(n int) string { return fmt.Sprintf("01900000-0000-7000-8000-%012x", n) }

func (c *client) invite(n int, callee string) *pealv1.ServerFrame {
	c.b.t.Helper()
	return c.do(&pealv1.Invite{CallId: callID(n), Callee: callee, Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: "v=0 offer"})
}

func (c *client) accept(n int) *pealv1.ServerFrame {
	c.b.t.Helper()
	return c.do(&pealv1.Accept{CallId: callID(n), Answer: "v=0 answer", Generation: 1})
}

func (c *client) hangup(n int) *pealv1.ServerFrame {
	c.b.t.Helper()
	return c.do(&pealv1.Hangup{CallId: callID(n)})
}
