package node

import (
	"log/slog"
	"time"
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
