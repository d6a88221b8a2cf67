package chaos_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/client"
)

// plan is what the people of a pair do, if they live to see it.
type plan string

const (
	callerHangsUp plan = "caller hangs up"
	calleeHangsUp plan = "callee hangs up"
	rejects       plan = "callee rejects"
	cancels       plan = "caller cancels"
	timeout       plan = "nobody answers"
	callerLeaves  plan = "caller vanishes while it rings"
	vanishes      plan = "callee vanishes from the call"

	// Two do something at the same time.
	acceptCancel  plan = "accept and cancel"
	acceptReject  plan = "accept and reject"
	rejectCancel  plan = "reject and cancel"
	acceptTimeout plan = "accept and time-out"
	hangups       plan = "both hang up"
	accepts       plan = "two devices accept"
	glare         plan = "both call"
)

var (
	races = []plan{acceptCancel, acceptReject, rejectCancel, acceptTimeout, hangups, accepts, glare}
	plans = append([]plan{callerHangsUp, calleeHangsUp, rejects, cancels, timeout, callerLeaves, vanishes}, races...)
)

// ringTime is how long it rings where nobody answers.
const ringTime = time.Second

// pair is two people who call each other again and again; the callee has two
// devices. Nobody else calls them, so that nobody can be busy.
type pair struct {
	caller, callee, other *phone
	plan                  plan
}

func (p *proxy) pair(name string) *pair {
	return &pair{
		caller: p.login(name+"-caller", "phone"),
		callee: p.login(name+"-callee", "phone"), other: p.login(name+"-callee", "desk"),
	}
}

func (p *pair) phones() []*phone { return []*phone{p.caller, p.callee, p.other} }

// does sets the plan, and has everybody hesitate for up to a while.
func (p *pair) does(what plan, rng *rand.Rand, hesitate time.Duration) {
	p.plan = what
	for _, ph := range p.phones() {
		ph.plan(what, time.Duration(rng.Int64N(int64(hesitate))))
	}
	// The desk rings alone, but for the race that it is there for.
	if what == acceptReject || what == callerHangsUp || what == hangups {
		p.other.plan(timeout, 0)
	}
}

// play makes the calls of the plan and sees them through. Errors are of no
// interest: the server may die at any time.
func (p *pair) play(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { p.dial(ctx, p.caller, p.callee) })
	if p.plan == glare {
		both.Go(func() { p.dial(ctx, p.callee, p.caller) })
	}
	both.Wait()
}

func (p *pair) dial(ctx context.Context, from, to *phone) {
	from.mu.Lock()
	pause := from.pause
	from.mu.Unlock()
	if p.plan == glare {
		time.Sleep(pause)
	}
	o := client.CallOptions{Offer: "v=0 offer"}
	if p.plan == timeout || p.plan == acceptTimeout {
		o.RingTimeout = ringTime
	}
	call, err := from.Call(ctx, to.Account(), o)
	if err != nil {
		return
	}
	switch {
	case p.plan == cancels, p.plan == acceptCancel, p.plan == rejectCancel:
		time.Sleep(pause)
		_ = call.Cancel(ctx)
	case p.plan == callerLeaves:
		from.proxy.vanish(from.name, 2*time.Second)
	}
	// Whatever has become of it, in the end somebody hangs up.
	select {
	case <-call.Done():
	case <-time.After(3*ringTime + pause):
		_ = call.Hangup(ctx)
	}
}

// ending is how a call ended, as everybody was told.
type ending struct {
	record client.Record
	actor  string // Where the server told anybody.
	device string // Which of the callee's answered.
}

// agrees waits until everybody has the records of all calls that anybody was told
// of, and holds all that they were told to those.
func (p *pair) agrees(t *testing.T) []ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, ph := range p.phones() {
		if err := ph.settled(ctx); err != nil {
			t.Errorf("%s: %v", p.plan, err)
			return nil
		}
	}
	for _, ph := range p.phones() {
		for id := range ph.told() {
			for _, other := range p.phones() {
				if err := other.hasRecord(ctx, id); err != nil {
					t.Errorf("%s: %v", p.plan, err)
					return nil
				}
			}
		}
	}
	var endings []ending
	var first map[string]client.Record
	for i, ph := range p.phones() {
		ends, records, complaints := ph.account()
		for _, complaint := range complaints {
			t.Errorf("%s: %s", p.plan, complaint)
		}
		if i == 0 {
			first = records
			for _, r := range records {
				endings = append(endings, ending{record: r})
			}
		}
		if diff := cmp.Diff(first, records); diff != "" {
			t.Errorf("%s: the records differ (-%s +%s):\n%s", p.plan, p.caller.name, ph.name, diff)
		}
		for id, e := range ends {
			at := slices.IndexFunc(endings, func(x ending) bool { return x.record.CallID == id })
			if at < 0 {
				t.Errorf("%s: %s was told of %s, of which there is no record", p.plan, ph.name, id)
				continue
			}
			p.fits(t, ph, e, &endings[at])
		}
	}
	return endings
}

// fits holds what one phone was told to the record.
func (p *pair) fits(t *testing.T, ph *phone, e client.End, x *ending) {
	t.Helper()
	r := x.record
	answered := r.Reason != "cancelled" && r.Reason != "rejected" && r.Reason != "timeout"
	switch {
	case r.Reason == "busy":
		t.Errorf("%s: %s was busy with nothing", p.plan, r.Callee)
	case e.Reason == "answered_elsewhere":
		if !answered {
			t.Errorf("%s: %s was told that %s was answered elsewhere, its record says %s", p.plan, ph.name, r.CallID, r.Reason)
		}
		return
	case e.Final && e.Reason != r.Reason:
		t.Errorf("%s: %s was told that %s ended %s, its record says %s", p.plan, ph.name, r.CallID, e.Reason, r.Reason)
	}
	if e.Final && !e.ByThisDevice {
		x.actor = e.Actor
	}
	if answered && ph.Account() == r.Callee {
		x.device = ph.name
	}
}
