// Package node is the only coordinator: it knows the devices connected here,
// turns what they say and what time brings into steps of calls, commits those,
// and tells those whom it concerns, in that order.
//
// A Node is an event loop without a goroutine: a shell calls Step with one
// input at a time and carries out the effects. It holds no lock, reads no
// clock and does no I/O, so a simulator can run it as well as a server.
//
// Nodes are equals and own nothing. What a node remembers of a call is a copy
// that saves a read; the store's compare-and-set on rev finds out when it is
// old, and the step is done again on the new state.
package node

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
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
	cfg     Config
	log     *slog.Logger
	now     time.Time
	effects []Effect

	conns    map[ConnID]*device
	accounts map[call.Account][]*device
	turns    map[call.ID]*turn
	tickets  map[Ticket]func(Input)
	ticket   Ticket
	schedule schedule
	quota    quota

	sweep    sweep
	news     news
	stopping bool
}

// New makes a node. Its first Deadline is at once.
func New(cfg Config) (*Node, error) {
	if cfg.Incarnation == "" || cfg.Verify == nil || cfg.Servers == nil {
		return nil, errors.New("node: Incarnation, Verify and Servers are required")
	}
	if cfg.Announced == nil {
		cfg.Announced = func(netip.Addr) bool { return false }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Node{
		cfg:      cfg,
		log:      cfg.Logger,
		conns:    make(map[ConnID]*device),
		accounts: make(map[call.Account][]*device),
		turns:    make(map[call.ID]*turn),
		tickets:  make(map[Ticket]func(Input)),
		quota:    newQuota(&cfg.Limits),
		news:     news{seen: make(map[call.ID]seen)},
	}
	n.schedule.set(alarm{}, time.Time{})
	return n, nil
}

// Step takes one input and returns what the shell is to do, in order. now is
// the store's time.
func (n *Node) Step(now time.Time, in Input) []Effect {
	n.now, n.effects = now, nil
	switch in := in.(type) {
	case Opened:
		n.opened(in.Conn)
	case Received:
		n.received(in)
	case Ponged:
		if d := n.conns[in.Conn]; d != nil {
			d.session.Ponged(now)
			n.watch(d)
		}
	case Closed:
		n.closed(in)
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
		n.foundDue(in)
	case Beaten:
		n.beaten(in)
		n.resume(in.Ticket, in)
	case Heard:
		n.heard(in.Message)
	case Woke:
		n.woke()
	case Stopping:
		n.stop()
	}
	return n.effects
}

// Deadline is when the node wants a Woke.
func (n *Node) Deadline() (time.Time, bool) { return n.schedule.next() }

// Ready reports whether the node knows what earlier incarnations left behind,
// and so answers hellos.
func (n *Node) Ready() bool { return n.sweep.done && !n.stopping }

// Held is what a node holds on to.
type Held struct {
	Connections int
	Accounts    int // That are logged in here.
	Calls       int // That its devices have to do with, or something is done to.
	Alarms      int // One for each connection and call at most, and one of its own.
}

// Held says what the node holds on to now.
func (n *Node) Held() Held {
	return Held{len(n.conns), len(n.accounts), len(n.turns), n.schedule.queue.Len()}
}

// Idle reports whether nothing is under way: no job waits for the store. That
// a node looks around by itself now and then does not count.
func (n *Node) Idle() bool {
	return len(n.tickets) == 0 || len(n.tickets) == 1 && n.news.running
}

func (n *Node) do(e Effect) { n.effects = append(n.effects, e) }

// await makes a ticket whose result goes to then.
func (n *Node) await(then func(Input)) Ticket {
	n.ticket++
	n.tickets[n.ticket] = then
	return n.ticket
}

func (n *Node) resume(t Ticket, in Input) {
	if then := n.tickets[t]; then != nil {
		delete(n.tickets, t)
		then(in)
	}
}

// alarm is what wakes a node: a connection, a call, or, zero, its own chores.
type alarm struct {
	conn ConnID
	call call.ID
}

// woke handles each alarm that is due once, so that one set again for now
// waits for the next Woke.
func (n *Node) woke() {
	var due []alarm
	for {
		a, ok := n.schedule.pop(n.now)
		if !ok {
			break
		}
		due = append(due, a)
	}
	for _, a := range due {
		switch {
		case a.conn != 0:
			if d := n.conns[a.conn]; d != nil {
				d.session.Expire(n.now)
				n.watch(d)
			}
		case a.call != "":
			if t := n.turns[a.call]; t != nil {
				n.ticked(t)
			}
		default:
			n.chores()
		}
	}
}

// stop sends every client elsewhere. That they are gone is not noted in their
// calls: the next incarnation finds that out, and begins their graces then.
func (n *Node) stop() {
	n.stopping = true
	for _, id := range n.connIDs() {
		n.conns[id].session.Close(protocol.ShuttingDown)
	}
}
