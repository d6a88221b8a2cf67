package natsbus

import (
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
)

const (
	// queueSize is how many messages wait to be sent, and how many to be delivered.
	queueSize = 1024
	// companyWait is how long a message waits for others about its account, to go with it: an
	// acceptance and the candidates that came with it are two.
	companyWait = time.Millisecond
	// companyMost is how many go together; what they take is below the megabyte of NATS.
	companyMost = 8
	// flushMost is how long NATS may take to answer.
	flushMost = 5 * time.Second
)

// member is one node. Its methods only note what is to be done: a connection that stalls must
// not hold up the node. Four goroutines do it: write, settle, receive and deliver.
type member struct {
	bus     *Bus
	nats    *nats.Conn
	deliver func(bus.Message)
	missed  func()

	arrived chan *nats.Msg // From all subscriptions.
	queue   chan *nats.Msg
	written chan struct{} // Wakes write.
	settled chan struct{} // Wakes settle.
	left    chan struct{} // Closed when the member leaves.

	mu       sync.Mutex // Guards what follows.
	gone     bool
	accounts map[call.Account]*subscription
	todo     []task // In order.
	waiting  []await
	sending  int  // How many messages are in todo.
	back     bool // The connection is new: messages may have been missed.
	away     bool // The log says that NATS is away,
	denied   bool // or that it denies permissions to this connection.
}

// subscription is one of a member to an account. ended is guarded by member.mu, the rest
// belongs to write.
type subscription struct {
	account call.Account
	ended   bool
	nats    *nats.Subscription
}

// task is something to tell NATS: a message, or a subscription to begin or to end.
type task struct {
	message *bus.Message
	begin   *subscription
	ready   func()
	end     *subscription
}

// await is who waits until a subscription is in effect.
type await struct {
	subscription *subscription
	ready        func()
}

func newMember(b *Bus, deliver func(bus.Message), missed func()) *member {
	return &member{
		bus: b, deliver: deliver, missed: missed,
		arrived: make(chan *nats.Msg, queueSize), queue: make(chan *nats.Msg, queueSize),
		written: make(chan struct{}, 1), settled: make(chan struct{}, 1), left: make(chan struct{}),
		accounts: make(map[call.Account]*subscription),
	}
}

// start begins to work. One subscription, to a subject on which nobody publishes, makes NATS check
// the permissions of each new connection: otherwise a node would learn of missing ones from the
// first device that logs in.
func (m *member) start() error {
	if _, err := m.nats.ChanSubscribe(subject(m.bus.cluster, ""), m.arrived); err != nil {
		return err
	}
	m.bus.work.Go(m.write)
	m.bus.work.Go(m.settle)
	m.bus.work.Go(m.receive)
	m.bus.work.Go(m.deliverAll)
	return nil
}

// works says that the member is connected and that NATS has denied it nothing since.
func (m *member) works() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.denied && m.nats.IsConnected()
}

// wake wakes a goroutine that waits for news.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // The member is notified already.
	}
}

// add adds a task. The caller holds mu.
func (m *member) add(t task) {
	m.todo = append(m.todo, t)
	wake(m.written)
}

// Subscribe implements bus.Member.
func (m *member) Subscribe(account call.Account, ready func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return
	}
	s := m.accounts[account]
	if s == nil {
		s = &subscription{account: account}
		m.accounts[account] = s
	}
	m.add(task{begin: s, ready: ready})
}

// Unsubscribe implements bus.Member.
func (m *member) Unsubscribe(account call.Account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.accounts[account]; s != nil {
		delete(m.accounts, account)
		s.ended = true
		m.add(task{end: s})
	}
}

// Publish implements bus.Member.
func (m *member) Publish(message bus.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.gone:
	case m.sending >= queueSize:
		m.bus.lost.Add(1)
	default:
		m.sending++
		m.add(task{message: &message})
	}
}

// Leave implements bus.Member. What was published before is sent. It may be called while
// delivering.
func (m *member) Leave() {
	m.mu.Lock()
	if m.gone {
		m.mu.Unlock()
		return
	}
	m.gone = true
	clear(m.accounts)
	m.mu.Unlock()
	close(m.left)
	m.bus.mu.Lock()
	delete(m.bus.members, m)
	m.bus.mu.Unlock()
}

// write tells NATS what there is to tell, and at last closes the connection.
func (m *member) write() {
	defer m.nats.Close()
	company := time.NewTimer(0)
	defer company.Stop()
	for {
		select {
		case <-m.written:
			company.Reset(companyWait)
			select {
			case <-company.C:
			case <-m.left:
			}
		case <-m.left:
		}
		m.mu.Lock()
		todo, gone := m.todo, m.gone
		m.todo, m.sending = nil, 0
		m.mu.Unlock()
		for i := range todo {
			m.do(&todo[i])
		}
		for _, messages := range together(todo) {
			m.send(messages)
		}
		if gone {
			return // Nothing is added any more.
		}
	}
}

// together has the messages of the tasks, those about one account with each other, in order.
func together(todo []task) (all [][]*bus.Message) {
	open := make(map[call.Account]int) // Where in all more of an account go.
	for i := range todo {
		m := todo[i].message
		if m == nil {
			continue
		}
		at, known := open[m.Account]
		if !known || len(all[at]) == companyMost {
			at = len(all)
			open[m.Account] = at
			all = append(all, nil)
		}
		all[at] = append(all[at], m)
	}
	return all
}

// send sends messages about one account. One that cannot be encoded is lost alone. While NATS is
// away all are lost.
func (m *member) send(messages []*bus.Message) {
	data, bad := encode(messages)
	for _, err := range bad {
		m.bus.unsent(err)
	}
	if data != nil && m.nats.Publish(subject(m.bus.cluster, messages[0].Account), data) != nil {
		m.bus.lost.Add(uint64(len(messages) - len(bad)))
	}
}

// do begins or ends a subscription. NATS keeps them for when it is back.
func (m *member) do(t *task) {
	switch {
	case t.message != nil:
	case t.end != nil:
		if t.end.nats != nil {
			_ = t.end.nats.Unsubscribe() // It fails where the connection is closed.
		}
	case t.begin.nats == nil:
		s, err := m.nats.ChanSubscribe(subject(m.bus.cluster, t.begin.account), m.arrived)
		if err != nil {
			return // The connection is closed.
		}
		t.begin.nats = s
		m.await(t)
	default:
		m.await(t)
	}
}

// await has settle tell when a subscription, which was sent to NATS, is in effect.
func (m *member) await(t *task) {
	if t.ready == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = append(m.waiting, await{t.begin, t.ready})
	wake(m.settled)
}

// settle tells when subscriptions are in effect: all that wait have one question to NATS answered
// that was asked after them.
func (m *member) settle() {
	for {
		select {
		case <-m.left:
			return
		case <-m.settled:
		}
		m.mu.Lock()
		waiting, back := m.waiting, m.back
		m.waiting, m.back = nil, false
		m.mu.Unlock()
		if !m.flush() {
			return
		}
		for _, a := range waiting {
			if !m.ended(a.subscription) {
				a.ready()
			}
		}
		if back && m.missed != nil {
			m.missed()
		}
	}
}

// flush waits until NATS has answered a question, and says whether the member is still there.
func (m *member) flush() bool {
	pause := time.NewTicker(reconnectWait / 4)
	defer pause.Stop()
	for {
		if m.nats.IsConnected() && m.nats.FlushTimeout(flushMost) == nil {
			return true
		}
		select {
		case <-m.left:
			return false
		case <-pause.C:
		}
	}
}

func (m *member) ended(s *subscription) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return s.ended || m.gone
}

// receive moves messages to the queue of those that wait to be delivered, and drops what does
// not fit.
func (m *member) receive() {
	for {
		select {
		case <-m.left:
			return
		case msg := <-m.arrived:
			select {
			case m.queue <- msg:
			default:
				m.bus.lost.Add(1)
			}
		}
	}
}

// deliverAll delivers until the member leaves. What waits then is dropped.
func (m *member) deliverAll() {
	for {
		select {
		case <-m.left:
			return
		case msg := <-m.queue:
			m.deliverOne(msg.Data)
		}
	}
}

// deliverOne delivers what is in one message, where the member is still subscribed to its account.
func (m *member) deliverOne(data []byte) {
	messages, bad := decode(data)
	for _, err := range bad {
		m.bus.drop(err)
	}
	for i := range messages {
		m.mu.Lock()
		_, subscribed := m.accounts[messages[i].Account]
		m.mu.Unlock()
		if subscribed {
			m.deliver(messages[i])
		}
	}
}

// connected handles a new connection.
func (m *member) connected(server string) {
	m.mu.Lock()
	m.back, m.away, m.denied = true, false, false
	m.mu.Unlock()
	m.bus.log.Info("connected to the bus", "server", server)
	wake(m.settled)
}

// disconnected handles the end of a connection.
func (m *member) disconnected(err error) {
	m.mu.Lock()
	gone := m.gone
	m.mu.Unlock()
	if !gone {
		m.bus.log.Warn("the bus is away: nodes hear of each other by the store", "error", err)
	}
}

// refused handles an attempt that failed. They are many.
func (m *member) refused(err error) {
	m.mu.Lock()
	said := m.away || m.gone
	m.away = true
	m.mu.Unlock()
	if !said {
		m.bus.log.Error("cannot connect to the bus: trying on", "error", err)
	}
}

// failed handles an error of a connection that stays open.
func (m *member) failed(err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		m.bus.lost.Add(1)
		return
	}
	if errors.Is(err, nats.ErrPermissionViolation) {
		m.mu.Lock()
		said := m.denied
		m.denied = true
		m.mu.Unlock()
		if !said { // There is one for each account.
			m.bus.log.Error("the bus denies a permission: allow this node's user to publish and to subscribe",
				"subjects", subjects(m.bus.cluster), "error", err)
		}
		return
	}
	m.bus.log.Error("the bus reports an error", "error", err)
}
