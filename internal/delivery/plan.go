package delivery

import "time"

const (
	// PerEndpoint and InAll limit the tries that run at a time.
	PerEndpoint, InAll = 8, 64
	// circuitAfter is how many failures in a row open the circuit of an endpoint. It then gets
	// one probe each probeEvery until one succeeds.
	circuitAfter = 10
	probeEvery   = 30 * time.Second
	// disableAfter is how long an endpoint may fail without any success before it is disabled.
	disableAfter = 5 * 24 * time.Hour
	// window limits the claimed deliveries of one endpoint. The schedule claims more when fewer than
	// PerEndpoint wait, so that one read is for many deliveries.
	window = 32
	// paceOf is the least time between two claims of one endpoint, and between two settlements. One
	// claim or settlement then serves all deliveries of that time.
	paceOf = 20 * time.Millisecond
	// troubleLeast and troubleMost bound the pause after a failure of the outbox.
	troubleLeast, troubleMost = time.Second, 30 * time.Second
	// spread is the part by which a pause may be shorter or longer, so that events that failed together
	// are not retried together.
	spread = 0.2
)

// pausing is the pause after a failure of the outbox. It grows with each failure in a row.
type pausing struct {
	failures int
	until    time.Time
}

// judge takes the result of an operation of the outbox.
func (p *pausing) judge(now time.Time, err error) {
	if err == nil {
		p.failures = 0
		return
	}
	p.until = now.Add(min(troubleLeast<<min(p.failures, 10), troubleMost))
	p.failures++
}

// pauses are the pauses before each try, the first one included. Together they take 28 hours, which
// is time to repair a receiver.
var pauses = [...]time.Duration{
	0, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 12 * time.Hour,
}

// Tries is how often an event is tried before it is dead.
const Tries = len(pauses)

// pause is how long to wait after a number of failed tries; false when there is no try left.
// Chance is from 0 up to 1.
func pause(failed int, chance float64) (time.Duration, bool) {
	if failed >= Tries {
		return 0, false
	}
	return time.Duration(float64(pauses[failed]) * (1 - spread + 2*spread*chance)), true
}
