package server

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/metrics"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/ws"
)

const (
	// inboxSize is how many inputs wait for the loop before those who bring
	// them wait as well.
	inboxSize = 1024
	// batchSize is how many changes are committed together at most.
	batchSize = 256
	// readers is how many reads of the store run at once.
	readers = 4
	// missedEvery is the least time between two inputs that say that the node missed something.
	missedEvery = 10 * time.Second
	// storeTimeout is how long the store may take before its answer counts as
	// unknown. It is shorter than a lease.
	storeTimeout = 5 * time.Second
)

// arrival is one input for the node; conn comes with Opened.
type arrival struct {
	in   node.Input
	conn *ws.Conn
	at   time.Time // When it was brought; zero where nobody counts.
}

// loop is the shell around a node: one goroutine, run or runPolled, owns the node and
// takes one input at a time; others do what may take long and bring the results. It
// is the handler of the sockets that have goroutines.
type loop struct {
	node   *node.Node
	store  store.Store
	clock  *clock
	member bus.Member
	log    *slog.Logger
	// metrics is nil where nobody counts.
	metrics *metrics.Metrics
	// committers is how many commits are under way at a time. Never are two of one call: the node
	// waits for the first.
	committers int
	// poller serves the plain sockets on the goroutine that owns the node; nil where
	// they have goroutines.
	poller *ws.Poller

	inbox   chan arrival
	commits *commits
	reads   *reads
	// conns belongs to run.
	conns   map[node.ConnID]*connection
	journal journal
	// stopping belongs to run: the server is shutting down.
	stopping bool

	questions questions
	storage   storage
	// missed says that there was no room for something of the bus, which the node does not know
	// yet. told is when it last learned of such a loss; it belongs to run.
	missed atomic.Bool
	told   time.Time
	// ready mirrors the node's.
	ready atomic.Bool
	// drained is closed when a stopping node is done with its connections.
	drained chan struct{}
	quit    chan struct{}
	workers sync.WaitGroup
}

// begin starts the goroutines. end stops them.
func (l *loop) begin(events bus.Bus) error {
	l.inbox = make(chan arrival, inboxSize)
	l.commits, l.reads = newCommits(), newReads()
	l.conns = make(map[node.ConnID]*connection)
	l.drained, l.quit = make(chan struct{}), make(chan struct{})
	member, err := events.Join(l.hear, func() { l.offer(node.Reconnected{}) })
	if err != nil {
		return err
	}
	l.member = member
	if l.poller != nil {
		l.workers.Go(l.runPolled)
	} else {
		l.workers.Go(l.run)
	}
	for range l.committers {
		l.workers.Go(l.commit)
	}
	for range readers {
		l.workers.Go(l.read)
	}
	return nil
}

// end stops the loop, after what is to be committed is committed.
func (l *loop) end() {
	l.member.Leave()
	close(l.quit)
	l.poller.Wake()
	l.commits.close()
	l.reads.close()
	l.workers.Wait()
	l.poller.Close()
}

// run owns the node.
func (l *loop) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due time.Time // What the timer is set to; zero for at once.
	for {
		select {
		case <-l.quit:
			return
		case a := <-l.inbox:
			l.arrive(a)
		case <-timer.C:
			if !due.IsZero() {
				l.metrics.Late(l.clock.now().Sub(due))
			}
			l.step(node.Woke{})
		}
		if at, ok := l.node.Deadline(); ok {
			due = at
			timer.Reset(at.Sub(l.clock.now()))
		} else {
			timer.Stop()
		}
	}
}

// arrive gives the node what was brought. It is called by the goroutine that owns the
// node alone.
func (l *loop) arrive(a arrival) {
	if !a.at.IsZero() {
		l.metrics.Waited(a.at)
	}
	if in, ok := a.in.(node.Opened); ok {
		l.conns[in.Conn] = &connection{Conn: a.conn}
	}
	l.step(a.in)
	if in, ok := a.in.(node.Closed); ok {
		if c := l.conns[in.Conn]; c != nil {
			l.journal.closed(c, in.Leaving, l.clock.now())
		}
		delete(l.conns, in.Conn)
	}
	l.catchUp()
}

// catchUp tells the node that it missed something of the bus, once the inbox is empty. That
// makes work, so it is not done often.
func (l *loop) catchUp() {
	if !l.missed.Load() || len(l.inbox) > 0 {
		return
	}
	if now := l.clock.now(); now.Sub(l.told) >= missedEvery {
		l.told = now
		l.missed.Store(false)
		l.step(node.Reconnected{})
	}
}

func (l *loop) step(in node.Input) {
	if _, ok := in.(node.Stopping); ok {
		l.stopping = true
	}
	now := l.clock.now()
	l.metrics.Told(now, in)
	for _, effect := range l.node.Step(now, in) {
		l.metrics.Asked(effect)
		l.do(effect)
	}
	l.metrics.Holds(l.node.Held())
	l.ready.Store(l.node.Ready())
	if l.stopping && l.node.Held().Connections == 0 && l.node.Idle() {
		select {
		case <-l.drained:
		default:
			close(l.drained)
		}
	}
}

// do carries out an effect, or passes it to those who may take longer. It
// never blocks.
func (l *loop) do(effect node.Effect) {
	switch e := effect.(type) {
	case node.Send:
		if c := l.conns[e.Conn]; c != nil {
			if c.since.IsZero() {
				l.journal.sent(c, e.Frame, l.clock.now())
			}
			c.Send(e.Frame)
		}
	case node.Ping:
		if c := l.conns[e.Conn]; c != nil {
			c.Ping()
		}
	case node.Close:
		c := l.conns[e.Conn]
		if c != nil {
			c.why = e.Reason
		}
		switch {
		case c == nil:
		case e.Status == protocol.CloseSilent:
			c.Cut()
		default:
			c.Close(e.Status, e.Reason)
		}
	case node.Named:
		if c := l.conns[e.Conn]; c != nil {
			c.account, c.device = e.Device.Account, e.Device.ID
		}
	case node.Moved:
		l.journal.moved(e, l.clock.now())
	case node.Flows:
		l.journal.flows(e)
	case node.Terminated:
		l.questions.take(e.Request, e)
	case node.LoggedOut:
		l.questions.take(e.Request, e)
	case node.Described:
		l.questions.take(e.Request, e)
	case node.Inspected:
		l.questions.take(e.Request, e)
	case node.Commit:
		l.commits.put(e)
	case node.Hurry:
		l.commits.hurry()
	case node.Publish:
		l.member.Publish(e.Message)
	case node.Subscribe:
		// Where there is no room for the answer the node goes on without.
		l.member.Subscribe(e.Account, func() { l.offer(node.Subscribed{Ticket: e.Ticket}) })
	case node.Unsubscribe:
		l.member.Unsubscribe(e.Account)
	case node.Request:
		l.reads.put(e)
	}
}

// tell brings an input to the loop. It waits while the loop is behind.
func (l *loop) tell(a arrival) {
	if l.metrics != nil {
		a.at = time.Now()
	}
	select {
	case l.inbox <- a:
		l.poller.Wake()
	case <-l.quit:
	}
}

// hear takes a message of the bus. What there is no room for is lost, as on the
// bus itself: see catchUp.
func (l *loop) hear(m bus.Message) { l.offer(node.Heard{Message: m}) }

// offer brings an input to the loop where there is room for it.
func (l *loop) offer(in node.Input) {
	select {
	case l.inbox <- arrival{in: in}:
		l.poller.Wake()
	default:
		l.missed.Store(true)
	}
}

// commit makes the changes, those that wait together.
func (l *loop) commit() {
	for {
		batch := l.commits.take()
		if len(batch) == 0 {
			return
		}
		changes := make([]store.Change, len(batch))
		for i := range batch {
			changes[i] = batch[i].Change
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		begin := time.Now()
		results, err := l.store.Commit(ctx, changes)
		cancel()
		l.metrics.Committed(l.clock.now(), time.Since(begin), changes, results)
		if err = l.storage.write(err); err != nil {
			l.log.Error("cannot commit", "changes", len(changes), "error", err)
			results = store.Unknown(len(changes), err)
		}
		for i := range batch {
			l.tell(arrival{in: node.Committed{Ticket: batch[i].Ticket, Result: results[i]}})
		}
	}
}

// read answers what the node asks of the store.
func (l *loop) read() {
	for {
		asked, ok := l.reads.take()
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		in := l.ask(ctx, asked)
		cancel()
		l.tell(arrival{in: in})
	}
}

// ask puts a request to the store. An error is one of the store's, for the log.
func (l *loop) ask(ctx context.Context, asked node.Request) node.Input {
	begin := time.Now()
	answer, err := asked.Ask(ctx, l.store)
	l.metrics.Read(l.clock.now(), time.Since(begin), asked, answer, err)
	if _, beat := asked.(node.Beat); beat {
		err = l.storage.write(err)
	} else {
		err = l.storage.read(err)
	}
	if err != nil {
		return asked.Failed(err)
	}
	return answer
}

// Opened implements ws.Handler.
func (l *loop) Opened(c *ws.Conn) {
	l.tell(arrival{in: node.Opened{Conn: node.ConnID(c.ID())}, conn: c})
}

// Received implements ws.Handler.
func (l *loop) Received(c *ws.Conn, f *pealv1.ClientFrame, bad *pealv1.Error) {
	l.tell(arrival{in: node.Received{Conn: node.ConnID(c.ID()), Frame: f, Error: bad}})
}

// Ponged implements ws.Handler.
func (l *loop) Ponged(c *ws.Conn) {
	l.tell(arrival{in: node.Ponged{Conn: node.ConnID(c.ID())}})
}

// Closed implements ws.Handler.
func (l *loop) Closed(c *ws.Conn, leaving bool) {
	l.tell(arrival{in: node.Closed{Conn: node.ConnID(c.ID()), Leaving: leaving}})
}
