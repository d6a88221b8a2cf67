package webhook

import (
	"errors"

	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
)

// errOther: the endpoint was deleted, and another one has its id, or it has another URL.
var errOther = errors.New("another endpoint has this id now, or it has another URL")

// note logs what an effect says of an endpoint, one line for each change. URLs are left out: they
// may hold a secret.
func (d *Dispatcher) note(effect delivery.Effect) {
	switch e := effect.(type) {
	case delivery.Mark:
		switch {
		case e.Disabled != store.Disabled{}:
			d.cfg.Logger.Error("webhook endpoint disabled: it receives nothing until it is enabled again",
				"endpoint", e.ID, "reason", e.Disabled.Reason, "failing_since", e.FailingSince)
		case e.FailingSince.IsZero():
			d.cfg.Logger.Info("webhook endpoint works again", "endpoint", e.ID)
		default:
			d.cfg.Logger.Warn("webhook endpoint fails: it is probed until it works", "endpoint", e.ID, "failing_since", e.FailingSince)
		}
	case delivery.Settle:
		for i := range e.Settlements {
			if one := &e.Settlements[i]; one.Outcome == store.Dead {
				id := d.endpointID(one.Delivery.Lane.Endpoint)
				d.cfg.Counts.GaveUp(id)
				d.cfg.Logger.Warn("webhook event given up: it can be replayed", "endpoint", id,
					"event", EventID(one.Delivery.Event.Seq), "tries", one.Delivery.Tries+1, "reason", one.Reason)
			}
		}
	case delivery.Claim, delivery.Send, delivery.Look:
	}
}

// endpointID is the id of an endpoint, for the log.
func (d *Dispatcher) endpointID(number int64) string {
	for _, e := range d.cfg.Outbox.Endpoints() {
		if e.Number == number {
			return e.ID
		}
	}
	return "deleted"
}

// noteResult logs what a result says beyond a single try.
func (d *Dispatcher) noteResult(in delivery.Input) {
	switch in := in.(type) {
	case delivery.Claimed:
		d.complain("cannot read webhook deliveries", in.Err)
	case delivery.Settled:
		d.complain("cannot store the results of webhook deliveries: the events are sent again", in.Err)
	case delivery.Marked:
		d.complain("cannot store how a webhook endpoint does", in.Err)
	case delivery.Tried:
		d.compare(&in)
	case delivery.Looked, delivery.Woke, delivery.Stopping:
	}
}

func (d *Dispatcher) complain(failure string, err error) {
	if err != nil {
		d.cfg.Logger.Error(failure, "error", err)
	}
}

// compare logs an endpoint whose clock is wrong, or this machine's, once until it is right.
func (d *Dispatcher) compare(in *delivery.Tried) {
	if !in.Attempt.Clock {
		return
	}
	id := d.endpointID(in.Delivery.Lane.Endpoint)
	wrong := in.Attempt.Ahead.Abs() > clockMost
	if wrong && !d.wrong[id] {
		d.cfg.Logger.Warn("the clocks of a webhook endpoint and of this machine differ: at 5 minutes it refuses all events",
			"endpoint", id, "ahead", in.Attempt.Ahead)
	}
	if wrong {
		d.wrong[id] = true
	} else {
		delete(d.wrong, id)
	}
}
