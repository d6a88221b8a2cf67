package metrics

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// event is what happens to a connection.
type event int

const (
	opened event = iota
	closed
	refused // It did not become one.
	// Why the server closed it:
	replaced
	kicked
	dead
	slow
	mute // No hello came in time.
)

// events is how many there are.
const events = int(mute) + 1

func (e event) String() string {
	return [events]string{"open", "closed", "refused", "replaced", "kicked", "dead", "slow", "hello_timeout"}[e]
}

// Codes beside those of the protocol.
const (
	okCode    = "ok"
	quietCode = "quiet"
	otherCode = "other" // A code that the catalogue does not have.
)

// pendingMost is how many commands of one connection may wait for their answers and are
// counted each.
const pendingMost = 64

// loop counts the inputs of the node and its effects. The loop's goroutine owns it, but
// for what the registry reads.
type loop struct {
	events [events]atomic.Uint64
	peers  map[node.ConnID]*peer
	logins float64   // How many peers are logged in.
	came   time.Time // When the present input arrived.

	lag, late                      prometheus.Observer
	connections, accounts, devices prometheus.Gauge

	commands       *prometheus.CounterVec
	commandSeconds *prometheus.HistogramVec
	// counters and observers are those of the label values so far: looking them up there
	// allocates nothing.
	counters  map[result]prometheus.Counter
	observers map[string]prometheus.Observer
	codes     map[string]bool
}

// result is a command and how it was answered.
type result struct{ command, code string }

// peer is one connection.
type peer struct {
	pending []pending
	login   bool
	path    path
}

// pending is a command that is not answered yet.
type pending struct {
	id      uint32
	command string
	at      time.Time
}

func (l *loop) register(r *prometheus.Registry) {
	l.peers = make(map[node.ConnID]*peer)
	l.lag, l.late = loopLag.histogram(r).WithLabelValues(), deadlineLate.histogram(r).WithLabelValues()
	l.connections, l.accounts = connections.gauge(r).WithLabelValues(), accounts.gauge(r).WithLabelValues()
	l.devices = devices.gauge(r).WithLabelValues()
	l.commands, l.commandSeconds = commands.counter(r), commandSeconds.histogram(r)
	l.counters, l.observers = make(map[result]prometheus.Counter), make(map[string]prometheus.Observer)
	l.codes = map[string]bool{okCode: true, quietCode: true}
	for _, code := range protocol.Codes() {
		l.codes[string(code)] = true
	}
	// A rate needs the zero before the first one.
	l.counter(result{"hello", okCode})
	l.counter(result{"invite", okCode})
}

// Waited notes since when the next input has waited for the loop.
func (m *Metrics) Waited(since time.Time) {
	if m != nil {
		m.loop.came = since
		m.loop.lag.Observe(time.Since(since).Seconds())
	}
}

// Late notes how late a deadline was acted on.
func (m *Metrics) Late(by time.Duration) {
	if m != nil {
		m.loop.late.Observe(max(by, 0).Seconds())
	}
}

// Told notes an input, before the node gets it.
func (m *Metrics) Told(now time.Time, in node.Input) {
	if m == nil {
		return
	}
	switch in := in.(type) {
	case node.Opened:
		m.loop.events[opened].Add(1)
		m.loop.peers[in.Conn] = &peer{}
	case node.Received:
		m.loop.asked(in)
		m.calls.reported(m.loop.peers[in.Conn], in.Frame)
	case node.Closed:
		m.loop.closed(in.Conn)
	case node.Heard:
		if in.Message.Call != nil {
			m.calls.learned(in.Message.Call, now)
		}
	case node.Listed:
		for i := range in.Calls {
			m.calls.learned(&in.Calls[i], now)
		}
	}
}

// Asked notes what the node asks for.
func (m *Metrics) Asked(e node.Effect) {
	if m == nil {
		return
	}
	switch e := e.(type) {
	case node.Send:
		m.loop.sent(e)
	case node.Close:
		m.loop.closes(e)
	}
}

// Holds notes what the node holds.
func (m *Metrics) Holds(h node.Held) {
	if m != nil {
		m.loop.connections.Set(float64(h.Connections))
		m.loop.accounts.Set(float64(h.Accounts))
	}
}

func (l *loop) asked(in node.Received) {
	p := l.peers[in.Conn]
	if p == nil {
		return
	}
	command := commandOf(in.Frame)
	switch {
	case in.Frame.GetQuiet() && in.Error == nil:
		l.counter(result{command, quietCode}).Inc()
	case len(p.pending) < pendingMost:
		p.pending = append(p.pending, pending{in.Frame.GetId(), command, l.came})
	}
}

// sent counts an answer. An error that answers no command that is pending is that of a
// quiet one, or of one too many.
func (l *loop) sent(e node.Send) {
	f, p := e.Frame, l.peers[e.Conn]
	if p == nil || f.ReplyTo == 0 && f.Error == nil {
		return
	}
	code := okCode
	if f.Error != nil {
		if code = f.Error.Code; !l.codes[code] {
			code = otherCode
		}
	}
	if f.GetWelcome() != nil && !p.login {
		p.login = true
		l.logins++
		l.devices.Set(l.logins)
	}
	i := slices.IndexFunc(p.pending, func(a pending) bool { return a.id == f.ReplyTo })
	if i < 0 {
		l.counter(result{quietCode, code}).Inc()
		return
	}
	a := p.pending[i]
	p.pending = slices.Delete(p.pending, i, i+1)
	l.counter(result{a.command, code}).Inc()
	l.observer(a.command).Observe(time.Since(a.at).Seconds())
}

func (l *loop) closes(e node.Close) {
	switch {
	case e.Status == protocol.CloseSilent:
		l.events[dead].Add(1)
	case e.Reason == string(protocol.Replaced):
		l.events[replaced].Add(1)
	case e.Reason == string(protocol.Kicked):
		l.events[kicked].Add(1)
	case e.Reason == string(protocol.SlowConsumer):
		l.events[slow].Add(1)
	case e.Reason == string(protocol.HelloTimeout):
		l.events[mute].Add(1)
	}
}

func (l *loop) closed(id node.ConnID) {
	p := l.peers[id]
	if p == nil {
		return
	}
	delete(l.peers, id)
	l.events[closed].Add(1)
	if p.login {
		l.logins--
		l.devices.Set(l.logins)
	}
}

func (l *loop) counter(r result) prometheus.Counter {
	c := l.counters[r]
	if c == nil {
		c = l.commands.WithLabelValues(r.command, r.code)
		l.counters[r] = c
	}
	return c
}

func (l *loop) observer(command string) prometheus.Observer {
	o := l.observers[command]
	if o == nil {
		o = l.commandSeconds.WithLabelValues(command)
		l.observers[command] = o
	}
	return o
}

// commandOf names a command as the protocol does; unknown where it could not be decoded.
func commandOf(f *pealv1.ClientFrame) string {
	switch f.GetCommand().(type) {
	case *pealv1.ClientFrame_Hello:
		return "hello"
	case *pealv1.ClientFrame_Ping:
		return "ping"
	case *pealv1.ClientFrame_Invite:
		return "invite"
	case *pealv1.ClientFrame_Ringing:
		return "ringing"
	case *pealv1.ClientFrame_RingTimeout:
		return "ring_timeout"
	case *pealv1.ClientFrame_Accept:
		return "accept"
	case *pealv1.ClientFrame_Reject:
		return "reject"
	case *pealv1.ClientFrame_Cancel:
		return "cancel"
	case *pealv1.ClientFrame_Hangup:
		return "hangup"
	case *pealv1.ClientFrame_Offer:
		return "offer"
	case *pealv1.ClientFrame_Answer:
		return "answer"
	case *pealv1.ClientFrame_Candidates:
		return "candidates"
	case *pealv1.ClientFrame_Media:
		return "media"
	case *pealv1.ClientFrame_Restart:
		return "restart"
	case *pealv1.ClientFrame_Tracks:
		return "tracks"
	case *pealv1.ClientFrame_Leaving:
		return "leaving"
	case *pealv1.ClientFrame_Authenticate:
		return "authenticate"
	case *pealv1.ClientFrame_Logout:
		return "logout"
	case *pealv1.ClientFrame_SwitchType:
		return "switch_type"
	case *pealv1.ClientFrame_ListRecords:
		return "list_records"
	}
	return "unknown"
}
