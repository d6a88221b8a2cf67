// Package node is the only coordinator: it knows the devices connected here,
// turns their commands and the passing of time into steps of calls, commits the
// steps, and sends the result to the devices of both parties, in that order.
//
// A Node is an event loop without a goroutine: a shell calls Step with one
// input at a time and carries out the effects. It holds no lock, reads no
// clock and does no I/O, so a simulator can run it as well as a server.
//
// Nodes are equals and own nothing. A node's memory of a call is a copy that
// saves a read. Where the copy is old, the store's compare-and-set on rev refuses
// the commit, and the queue of the call repeats the step on the new state.
//
// The parts of a node, and the question that each one answers:
//
//   - logins: may this connection be here beside the others of its account?
//   - greetings: which calls does a device that has just connected belong to?
//   - commands: which input of which call is this frame?
//   - callqueue (a package of its own): is the step committed?
//   - delivery: which devices receive the result, and what may each one see?
//   - leases, lateCalls, changes: what did another node leave undone or unsaid?
package node

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Rhythm of what a node does by itself.
const (
	leaseEvery = 2 * time.Second // How often to keep the lease,
	leaseTTL   = 6 * time.Second // and how long it lasts.
	dueEvery   = 2 * time.Second // How often to look for deadlines that other nodes left.
	retryAfter = time.Second     // When to try again what the store failed to do.
	pageSize   = 256             // Rows of one read.
)

// Node is one equal member of the service. One goroutine, the shell's, owns it.
type Node struct {
	*loop
	devices   *devices
	delivery  *delivery
	calls     *callqueue.Queues
	greetings *greetings
	logins    *logins
	commands  *commands
	leases    *leases
	changes   *changes
	quota     *quota
	drain     *drain
}

// New makes a node. Its first Deadline is at once.
func New(cfg Config) (*Node, error) {
	if cfg.Incarnation == "" || cfg.Verify == nil || cfg.Servers == nil {
		return nil, errors.New("node: Incarnation, Verify and Servers are required")
	}
	if cfg.Announced == nil {
		cfg.Announced = func(netip.Addr) bool { return false }
	}
	if cfg.Format == 0 {
		cfg.Format = call.Format
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &loop{cfg: cfg, log: cfg.Logger, tickets: make(map[Ticket]func(Input))}
	h := &host{loop: l, quota: newQuota(&l.cfg.Limits)}
	calls := callqueue.New(callqueue.Config{Limits: &l.cfg.Limits, Timing: cfg.Timing, Format: cfg.Format, Log: cfg.Logger}, h)
	ds := &devices{loop: l, calls: calls, conns: make(map[ConnID]*device), accounts: make(map[call.Account][]*device)}
	dl := &delivery{loop: l, devices: ds}
	gs := &greetings{loop: l, calls: calls, devices: ds, delivery: dl}
	cg := &changes{loop: l, calls: calls, devices: ds, seen: make(map[call.ID]seen)}
	lg := &logins{loop: l, calls: calls, devices: ds, greetings: gs, quota: h.quota}
	ds.presence = &presence{loop: l, devices: ds, elsewhere: make(map[call.Account]bool)}
	ds.subs = &subscriptions{loop: l, devices: ds, logins: lg, pending: make(map[call.Account]Ticket)}
	h.presence = ds.presence
	h.calls, h.devices, h.delivery, h.greetings, h.changes, h.logins = calls, ds, dl, gs, cg, lg
	n := &Node{
		loop: l, calls: calls, devices: ds, delivery: dl, greetings: gs, changes: cg, quota: h.quota,
		logins:   lg,
		commands: &commands{loop: l, calls: calls, devices: ds, quota: h.quota},
		leases:   &leases{loop: l, calls: calls, devices: ds, greetings: gs},
		drain:    &drain{loop: l, devices: ds},
	}
	n.alarms.set(alarm{}, time.Time{})
	return n, nil
}

// Step takes one input and returns what the shell is to do, in order. now is
// the store's time.
func (n *Node) Step(now time.Time, in Input) []Effect {
	n.now, n.effects = now, nil // The shell keeps the effects of the last step.
	if n.began.IsZero() {
		n.began = now
	}
	switch in := in.(type) {
	case Opened:
		n.devices.open(in.Conn)
	case Received:
		n.received(in)
	case Ponged:
		if d := n.devices.conns[in.Conn]; d != nil {
			d.session.Ponged(now)
			n.devices.watch(d)
		}
	case Closed:
		n.devices.close(in)
	case Committed:
		n.resume(in.Ticket, in)
	case Loaded:
		n.resume(in.Ticket, in)
	case Listed:
		n.resume(in.Ticket, in)
	case ListedChanged:
		n.resume(in.Ticket, in)
	case ListedRecords:
		n.resume(in.Ticket, in)
	case FoundDue:
		n.leases.foundDue(in)
	case Beaten:
		n.leases.beaten(in)
		n.resume(in.Ticket, in)
	case Heard:
		n.heard(in.Message)
	case Subscribed:
		n.resume(in.Ticket, in)
	case Reconnected:
		// Messages of other nodes were lost while the bus was away. Each of the three repeats one
		// kind: which accounts other nodes have, single logins, and changes of calls.
		n.devices.presence.reconnected()
		n.logins.ask()
		n.changes.reconnected()
	case Terminate:
		n.calls.Add(in.ID, callqueue.Apply{Input: call.Terminate{}, Asker: backend{in.Request}})
	case LogOut:
		n.logins.logOut(in)
	case Revoke:
		n.logins.revoke(in)
	case Describe:
		n.logins.describe(in)
	case Inspect:
		n.inspect(in)
	case Woke:
		n.woke()
	case Stopping:
		n.stop()
	}
	return n.effects
}

// Deadline is when the node wants a Woke.
func (n *Node) Deadline() (time.Time, bool) { return n.alarms.next() }

// Ready reports whether the node answers hellos. A node that is alone first finds what
// earlier incarnations left behind; beside others it looks for dead nodes one lease later.
func (n *Node) Ready() bool { return n.ready() }

// Held is what a node holds on to.
type Held struct {
	Connections int
	Accounts    int // That are logged in here.
	Calls       int // That its devices have to do with, or something is done to.
	Alarms      int // One for each connection and call at most, and one of its own.
}

// Held says what the node holds on to now.
func (n *Node) Held() Held {
	return Held{len(n.devices.conns), len(n.devices.accounts), n.calls.Len(), n.alarms.queue.Len()}
}

// Idle reports whether nothing is under way: no job waits for the store, or for an outage of
// it to pass. That a node looks around by itself now and then does not count.
func (n *Node) Idle() bool {
	return (len(n.tickets) == 0 || len(n.tickets) == 1 && n.changes.running) && !n.calls.Working()
}

// received takes a frame: the session's, a hello or a command.
func (n *Node) received(in Received) {
	d := n.devices.conns[in.Conn]
	if d == nil {
		return // The shell read the frame before it closed the connection.
	}
	if f := d.session.Receive(in.Frame, in.Error, n.now); f != nil {
		if h, ok := f.Command.(*pealv1.ClientFrame_Hello); ok {
			n.logins.hello(d, h.Hello)
		} else {
			n.commands.take(d, f)
		}
	}
	n.devices.watch(d)
}

// heard takes a message of another node.
func (n *Node) heard(m bus.Message) {
	n.single = time.Time{}
	switch {
	case m.Login != nil:
		n.logins.loggedIn(*m.Login)
	case m.Call != nil:
		// Delivery comes first: it makes the devices join the call, and only a call that a device
		// has joined has a queue that could learn it.
		lacks := n.delivery.lacks(&m)
		if !lacks {
			n.delivery.tell(m.Call, m.Account, m.Device, m.With, nil)
		}
		n.calls.LearnPart(*m.Call, m.Without)
		if lacks { // The read sends the devices what it finds.
			n.calls.Look(m.Call.ID, m.Call.Rev)
		}
	case m.LoggedOut:
		n.logins.expel(m.Account, m.Device)
	case m.Signal != nil:
		n.delivery.signal(m.Account, m.Device, m.Signal)
	}
}

// woke handles each alarm that is due. The list is complete before the first is handled: an alarm
// that a handler sets for now waits for the next Woke, so one Step always ends.
func (n *Node) woke() {
	for _, a := range n.alarms.due(n.now) {
		switch {
		case a.conn != 0:
			n.devices.expire(a.conn)
		case a.call != "":
			n.calls.Ticked(a.call)
		case a.drain:
			n.drain.slice()
		case a.account != "":
			n.devices.subs.late(a.account)
		default:
			n.chores()
		}
	}
}

// chores are what a node does by itself. It goes on with them while it stops: if its lease ran
// out, the other nodes would take the devices that are still here for gone.
func (n *Node) chores() {
	n.alarms.set(alarm{}, n.now.Add(leaseEvery)) // First: whatever fails below, they come again.
	n.leases.keep(0)
	n.logins.kickOwed()
	n.logins.repeat()
	n.logins.ask()
	// Before the sweep this node does not know which devices are gone. A deadline that it took up
	// could end a call that its device is about to return to.
	if n.swept {
		n.leases.findDue()
		if !n.cfg.Alone {
			n.changes.look()
		}
	}
	n.quota.prune(n.now)
}

// stop sends every client elsewhere, over Config.Drain where there is another node.
func (n *Node) stop() {
	n.stopping = true
	n.drain.begin(n.leases.others())
}
