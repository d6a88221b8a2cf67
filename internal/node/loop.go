package node

import (
	"log/slog"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
)

// loop is what the parts of a node share: the time of the input at work, the effects that it
// has had so far, and what waits for answers and for time. The shell's goroutine owns it.
type loop struct {
	cfg     Config
	log     *slog.Logger
	now     time.Time
	effects []Effect
	// tickets are the requests to the store under way, and what takes their answers.
	tickets map[Ticket]func(Input)
	ticket  Ticket
	alarms  alarms
	// swept says that the node knows what earlier nodes left behind, and so answers hellos.
	swept bool
	// stopping says that the node is to end.
	stopping bool
	// sent is when the newest Beat was sent that was answered; zero before the first.
	sent time.Time
	// single is when a Beat last found no other node; zero where others were seen since. One soon
	// after the node began does not say much: others may have begun with it.
	single, began time.Time
}

// ready says that the node answers hellos.
func (l *loop) ready() bool { return l.swept && !l.stopping }

// effectsUsual is how many effects most inputs have at most.
const effectsUsual = 8

func (l *loop) do(e Effect) {
	if l.effects == nil {
		l.effects = make([]Effect, 0, effectsUsual)
	}
	l.effects = append(l.effects, e)
}

// alone says that no other node is known. One that has begun meanwhile reads the calls of its
// devices, and soon looks for those that have changed.
func (l *loop) alone() bool {
	return l.cfg.Alone || l.single.Sub(l.began) >= leaseEvery && l.now.Sub(l.single) <= beatLate
}

// writes is the format of new calls: the newest that all nodes step. A node that has had no answer to
// a Beat for as long as a lease lasts does not know the nodes that have started since. They may be of
// the release before, so it writes what that knows.
func (l *loop) writes() uint8 {
	if l.cfg.Lowest == nil {
		return l.cfg.Format
	}
	format := min(l.cfg.Format, l.cfg.Lowest())
	if l.now.Sub(l.sent) > leaseTTL && format > 1 {
		format = min(format, l.cfg.Format-1)
	}
	return format
}

// publish sends a message to the other nodes, where there are any. What a node that begins
// could not find in the store is sent in any case.
func (l *loop) publish(m bus.Message) {
	if l.cfg.Alone || m.Call != nil && l.alone() {
		return
	}
	l.do(Publish{trimmed(m)})
}

// trimmed leaves the session descriptions of a call out that the message does not ask for: the
// other nodes have them, or load them.
func trimmed(m bus.Message) bus.Message {
	if m.Call == nil || m.With&call.WithNeeds != 0 {
		return m
	}
	media := &m.Call.Media
	if media.Offer != "" && m.With&call.WithOffer == 0 {
		m.Without |= call.WithOffer
	}
	if media.Answer != "" && m.With&call.WithAnswer == 0 {
		m.Without |= call.WithAnswer
	}
	if m.Without != 0 {
		c := *m.Call // It shares the legs: neither changes.
		if m.Without&call.WithOffer != 0 {
			c.Media.Offer = ""
		}
		if m.Without&call.WithAnswer != 0 {
			c.Media.Answer = ""
		}
		m.Call = &c
	}
	return m
}

// await makes a ticket whose result goes to then.
func (l *loop) await(then func(Input)) Ticket {
	l.ticket++
	l.tickets[l.ticket] = then
	return l.ticket
}

func (l *loop) resume(t Ticket, in Input) {
	if then := l.tickets[t]; then != nil {
		delete(l.tickets, t)
		then(in)
	}
}
