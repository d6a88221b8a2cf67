package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	// stopTime is how long tries may take to end when a dispatcher stops. It abandons the others, and
	// the next start makes them again.
	stopTime = 2 * time.Second
	// outboxTime bounds one operation of the outbox.
	outboxTime = 10 * time.Second
	// clockMost is the difference from an endpoint's clock from which on it is logged: endpoints refuse
	// everything from 5 minutes on.
	clockMost = time.Minute
)

// EventID is the id of an event for backends: the same at each try, and in the feed.
func EventID(seq int64) string { return "evt_" + strconv.FormatInt(seq, 10) }

// Config is what a dispatcher needs. Resolver, Logger and Counts may be nil.
type Config struct {
	Outbox store.Outbox
	Reach  Reach
	// Body encodes an event as backends receive it, in JSON. It returns the same bytes each time.
	Body func(*store.Event) ([]byte, error)
	// Now is the store's clock, by which deliveries are due. Signatures have the machine's time.
	Now      func() time.Time
	Resolver *net.Resolver
	Logger   *slog.Logger
	Counts   Counts
}

// Counts counts deliveries. Any goroutine may call it.
type Counts interface {
	// Tried notes the result of a try at an endpoint.
	Tried(endpoint string, result delivery.Result)
	// GaveUp notes an event that is dead.
	GaveUp(endpoint string)
	// Clock notes how far an endpoint's clock is ahead.
	Clock(endpoint string, ahead time.Duration)
}

// uncounted counts nothing.
type uncounted struct{}

func (uncounted) Tried(string, delivery.Result) {}
func (uncounted) GaveUp(string)                 {}
func (uncounted) Clock(string, time.Duration)   {}

// Dispatcher delivers events. One goroutine, run, owns the schedule and the fields after it. Others
// carry out the effects and return the results.
type Dispatcher struct {
	cfg      Config
	sender   *Sender
	results  chan delivery.Input
	quit     chan struct{}
	finished chan struct{}

	// Of run:
	schedule *delivery.Schedule
	workers  sync.WaitGroup
	// wrong are the endpoints whose clock was wrong when it was logged last.
	wrong map[string]bool
}

// Start starts to deliver.
func Start(cfg Config) *Dispatcher {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Counts == nil {
		cfg.Counts = uncounted{}
	}
	d := &Dispatcher{
		cfg: cfg, sender: NewSender(cfg.Reach, cfg.Resolver, time.Now),
		results: make(chan delivery.Input), quit: make(chan struct{}), finished: make(chan struct{}),
		schedule: delivery.New(), wrong: make(map[string]bool),
	}
	go d.run()
	return d
}

// Stop waits for the tries, or abandons them after stopTime, and returns when all are settled. Call it
// once. On nil it does nothing.
func (d *Dispatcher) Stop() {
	if d == nil {
		return
	}
	close(d.quit)
	<-d.finished
}

func (d *Dispatcher) run() {
	defer close(d.finished)
	ctx, abandon := context.WithCancel(context.Background())
	defer abandon()
	timer, patience := time.NewTimer(0), time.NewTimer(0)
	timer.Stop()
	patience.Stop()
	quit := d.quit
	// Take the channel before the look, so that no change falls between.
	changed, again := d.cfg.Outbox.Changed(), make(chan struct{})
	close(again)
	var in delivery.Input = delivery.Looked{Endpoints: d.cfg.Outbox.Endpoints()}
	for {
		for _, effect := range d.schedule.Step(d.cfg.Now(), in) {
			if _, ok := effect.(delivery.Look); ok {
				// Not by a worker: its result could arrive after a later look.
				changed = again
				continue
			}
			d.note(effect)
			d.workers.Go(func() { d.results <- d.do(ctx, effect) })
		}
		if quit == nil && d.schedule.Idle() {
			break
		}
		timer.Stop()
		if at, ok := d.schedule.Deadline(); ok {
			timer.Reset(at.Sub(d.cfg.Now()))
		}
		select {
		case <-changed:
			changed = d.cfg.Outbox.Changed()
			in = delivery.Looked{Endpoints: d.cfg.Outbox.Endpoints()}
		case in = <-d.results:
			d.noteResult(in)
		case <-timer.C:
			in = delivery.Woke{}
		case <-quit:
			quit = nil
			patience.Reset(stopTime)
			in = delivery.Stopping{}
		case <-patience.C:
			abandon()
			in = delivery.Woke{}
		}
	}
	d.workers.Wait()
	d.sender.Close()
}

// do carries out an effect, which may take long. Stop abandons only tries.
func (d *Dispatcher) do(ctx context.Context, effect delivery.Effect) delivery.Input {
	if e, ok := effect.(delivery.Send); ok {
		return delivery.Tried{URL: e.Endpoint.URL, Delivery: e.Delivery, Attempt: d.try(ctx, &e), Chance: rand.Float64()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), outboxTime)
	defer cancel()
	switch e := effect.(type) {
	case delivery.Claim:
		due, next, err := d.cfg.Outbox.Claim(ctx, e.ID, e.Limit)
		return delivery.Claimed{Endpoint: e.Endpoint, Due: due, Next: next, Err: unlessGone(err)}
	case delivery.Settle:
		return delivery.Settled{Err: d.cfg.Outbox.Settle(ctx, e.Settlements)}
	case delivery.Mark:
		_, err := d.cfg.Outbox.PutEndpoint(ctx, e.ID, func(stored *store.Endpoint) error {
			if stored.Number != e.Endpoint || stored.URL != e.URL {
				return errOther
			}
			stored.FailingSince = e.FailingSince
			if stored.Enabled() {
				stored.Disabled = e.Disabled
			}
			return nil
		})
		return delivery.Marked{Endpoint: e.Endpoint, Err: unlessGone(err)}
	}
	return delivery.Woke{}
}

// unlessGone drops the error of an endpoint that was deleted or got another URL in the meantime: the
// next Looked has that.
func unlessGone(err error) error {
	if errors.Is(err, store.ErrNoEndpoint) || errors.Is(err, errOther) {
		return nil
	}
	return err
}

// try sends one delivery. A stale one is returned to the outbox: its event may name an account that
// was erased after the claim.
func (d *Dispatcher) try(ctx context.Context, e *delivery.Send) delivery.Attempt {
	if stale, err := d.cfg.Outbox.Stale(ctx, &e.Delivery); stale || err != nil {
		return delivery.Attempt{Result: delivery.Abandoned}
	}
	body, err := d.cfg.Body(&e.Delivery.Event)
	if err != nil {
		return delivery.Attempt{Result: delivery.Connect, Detail: fmt.Sprintf("the event cannot be written: %v", err)}
	}
	id := EventID(e.Delivery.Event.Seq)
	attempt := d.Try(ctx, &e.Endpoint, id, body)
	d.cfg.Logger.Debug("webhook tried", "endpoint", e.Endpoint.ID, "event", id, "result", string(attempt.Result), "detail", attempt.Detail)
	if attempt.Result != delivery.Abandoned {
		d.cfg.Counts.Tried(e.Endpoint.ID, attempt.Result)
	}
	if attempt.Clock {
		d.cfg.Counts.Clock(e.Endpoint.ID, attempt.Ahead)
	}
	return attempt
}

// Try makes one try at an endpoint, signed by its present secrets, and does not count it.
func (d *Dispatcher) Try(ctx context.Context, to *store.Endpoint, id string, body []byte) delivery.Attempt {
	m := Message{URL: to.URL, ID: id, Body: body}
	for _, stored := range to.Signing(d.cfg.Now()) {
		secret, err := ParseSecret(stored.Value)
		if err != nil {
			return delivery.Attempt{Result: delivery.Connect, Detail: err.Error()}
		}
		m.Secrets = append(m.Secrets, secret)
	}
	return d.sender.Send(ctx, &m)
}
