package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peal-rtc/peal/client"
)

// phone is a client with somebody who does what the plan of the round says.
type phone struct {
	*client.Client
	name  string
	proxy *proxy

	mu         sync.Mutex // Guards what follows.
	what       plan
	calm       bool          // The server lives, so that what fails is a mistake.
	pause      time.Duration // Before it does its part.
	live       map[string]bool
	over       map[string]bool // Calls of all rounds whose end it received,
	filed      map[string]bool // and those of which it has the record.
	left       time.Time       // When it lost its network last.
	seen       seen
	complaints []string
	news       chan struct{}
}

// seen is what a phone has received since it was asked last.
type seen struct {
	ends    map[string]client.End
	records map[string]client.Record
	took    map[string]bool     // The calls of others in which it was one of the two.
	talked  map[string]bool     // The calls of its own that were connected.
	answers map[string][]string // To its offers.
	left    map[string]int      // How often it was notified that the other side is gone, or back.
}

func nothing() seen {
	return seen{
		ends: make(map[string]client.End), records: make(map[string]client.Record), took: make(map[string]bool),
		talked: make(map[string]bool), answers: make(map[string][]string), left: make(map[string]int),
	}
}

// named adds a phone's name to its requests.
type named string

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(nameHeader, string(n))
	return http.DefaultTransport.RoundTrip(r)
}

func (p *proxy) login(account, device string) *phone {
	t := p.t
	t.Helper()
	name := account + "/" + device
	c, err := client.New(client.Config{
		Server: p.http.URL, DeviceID: device, HTTPClient: &http.Client{Transport: named(name)},
		Token: func(context.Context) (string, error) { return p.issuer.token(account) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), startup)
	defer cancel()
	if err := c.Login(ctx); err != nil {
		t.Fatal(err)
	}
	ph := &phone{
		Client: c, name: name, proxy: p, live: make(map[string]bool), over: make(map[string]bool),
		filed: make(map[string]bool), seen: nothing(), news: make(chan struct{}),
	}
	go ph.watch(t.Context())
	return ph
}

func (p *phone) plan(what plan, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.pause = what, pause
}

// livesOn says that the server does.
func (p *phone) livesOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calm = true
}

func (p *phone) watch(ctx context.Context) {
	for {
		e, err := p.Next(ctx)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.note(ctx, e)
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
}

func (p *phone) note(ctx context.Context, event client.Event) {
	switch e := event.(type) {
	case client.Incoming:
		p.live[e.Call.ID()] = true
		if by := e.Call.Snapshot().Peer.Account; !strings.HasPrefix(e.Offer, strings.TrimSuffix(offerOf(by), "\r\n")) {
			p.complaints = append(p.complaints, fmt.Sprintf("%s rings for %s with the offer %q", p.name, by, e.Offer))
		}
		go p.answer(ctx, e.Call, p.what, p.pause)
	case client.Updated:
		id := e.Call.ID()
		p.live[id] = true
		if e.Answer != "" && !e.Call.Incoming() {
			p.seen.answers[id] = append(p.seen.answers[id], e.Answer)
		}
		for _, c := range e.Changes {
			if c == client.PeerPresence {
				p.seen.left[id]++
			}
			p.react(ctx, e.Call, c)
		}
	case client.Ended:
		id := e.Call.ID()
		if p.over[id] {
			p.complaints = append(p.complaints, fmt.Sprintf("%s: %s ended twice: %v, %v", p.name, id, p.seen.ends[id], e.End))
		}
		delete(p.live, id)
		p.over[id] = true
		p.seen.ends[id] = e.End
	case client.RecordFiled:
		id := e.Record.CallID
		if p.filed[id] {
			p.complaints = append(p.complaints, p.name+" has two records of "+id)
		}
		p.filed[id] = true
		p.seen.records[id] = e.Record
	case client.LoggedOut:
		p.complaints = append(p.complaints, p.name+" was logged out: "+e.Reason.Error())
	}
}

// vanishes takes the network from this phone for a while.
func (p *phone) vanishes(d time.Duration) {
	p.mu.Lock()
	p.left = time.Now()
	p.mu.Unlock()
	p.proxy.vanish(p.name, d)
}

// made has a call of this phone be over before it is settled.
func (p *phone) made(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over[id] {
		p.live[id] = true
	}
}

func offerOf(account string) string { return describe("offer of " + account) }

func (p *phone) offer() string { return offerOf(p.name) }

func (p *phone) answerText() string { return describe("answer of " + p.name) }

// describe makes a session description that says this and describes nothing.
func describe(text string) string {
	return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=mid:" + plantedText + " " + text + "\r\n"
}

func candidate() client.Candidate {
	return client.Candidate{Candidate: "candidate:1 1 udp 1 " + plantedAddress + " 9 typ host"}
}

// faster is what a method may fail with because somebody else was faster.
var faster = []string{"already_accepted", "answered_elsewhere", "call_ended", "wrong_state", "wrong_device"}

// did notes what a method failed with. Where the server dies, or the network, that is of no
// interest: the call's outcome shows it.
func (p *phone) did(what string, err error) {
	var refused *client.Error
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil || !p.calm || p.what == vanishes || p.what == callerLeaves || errors.As(err, &refused) && slices.Contains(faster, refused.Code) {
		return
	}
	p.complaints = append(p.complaints, fmt.Sprintf("%s %s: %v", p.name, what, err))
}

// react does this phone's part once a call is answered.
func (p *phone) react(ctx context.Context, call *client.Call, change client.Change) {
	if change == client.Accepted || change == client.Connected {
		if call.Incoming() {
			p.seen.took[call.ID()] = true
		} else if change == client.Connected {
			p.seen.talked[call.ID()] = true
		}
	}
	switch {
	case change == client.Accepted, change == client.Generation, change == client.Reconnected:
		go func() {
			s := call.Snapshot()
			if call.Incoming() && s.Generation > 0 && p.planned() == glare {
				p.did("answers", call.Answer(ctx, s.Generation, p.answerText()))
			}
			p.did("sends candidates", call.SendCandidates(ctx, s.Generation, candidate()))
			p.did("reports media", call.ReportMedia(ctx, s.Generation, true))
		}()
	case change == client.Connected:
		switch what := p.what; {
		case what == vanishes:
			if call.Incoming() {
				go p.vanishes(calleeAway)
			}
		case what == calleeHangsUp && !call.Incoming(), what == callerHangsUp && call.Incoming():
		case what == stays:
		default:
			pause := p.pause
			go func() {
				time.Sleep(pause)
				p.did("hangs up", call.Hangup(ctx))
			}()
		}
	}
}

// gone is when this phone lost its network, after a time; zero where it did not.
func (p *phone) gone(after time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left.After(after) {
		return p.left
	}
	return time.Time{}
}

func (p *phone) planned() plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.what
}

func (p *phone) answer(ctx context.Context, call *client.Call, what plan, pause time.Duration) {
	if slices.Contains([]plan{timeout, glare, callerLeaves, cancels, cancelTimeout}, what) {
		return
	}
	time.Sleep(pause)
	// Where one phone does both, either may be first: goroutines alone start in one order.
	hesitate := func() {
		if what == acceptReject {
			time.Sleep(rand.N(pause + 1))
		}
	}
	var both sync.WaitGroup
	only := what == rejects || what == rejectCancel || what == rejectTimeout
	if only || what == acceptReject {
		both.Go(func() { hesitate(); p.did("rejects", call.Reject(ctx)) })
	}
	if !only {
		both.Go(func() {
			hesitate()
			p.did("accepts", call.Accept(ctx, call.Snapshot().Generation, p.answerText(), candidate()))
		})
	}
	both.Wait()
}

// told are the calls whose end this phone received.
func (p *phone) told() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := make(map[string]bool)
	for id := range p.seen.ends {
		ids[id] = true
	}
	for id := range p.seen.records {
		ids[id] = true
	}
	return ids
}

// wait waits until something holds.
func (p *phone) wait(ctx context.Context, what string, holds func() bool) error {
	for {
		p.mu.Lock()
		done, news := holds(), p.news
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w", p.name, what, ctx.Err())
		}
	}
}

func (p *phone) settled(ctx context.Context) error {
	return p.wait(ctx, "is still in a call", func() bool { return len(p.live) == 0 && p.State() == client.Online })
}

func (p *phone) hasRecord(ctx context.Context, id string) error {
	return p.wait(ctx, "has no record of "+id, func() bool { return p.filed[id] })
}

// account gives what this phone has seen, and forgets it.
func (p *phone) account() (seen, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, complaints := p.seen, p.complaints
	p.seen, p.complaints = nothing(), nil
	return was, complaints
}
