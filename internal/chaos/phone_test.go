package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
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
	pause      time.Duration // Before it does its part.
	live       map[string]bool
	ends       map[string]client.End
	records    map[string]client.Record
	complaints []string
	news       chan struct{}
}

// named adds a phone's name to its requests.
type named string

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(nameHeader, string(n))
	return http.DefaultTransport.RoundTrip(r)
}

func (p *proxy) login(account, device string) *phone {
	t := p.server.t
	t.Helper()
	name := account + "/" + device
	c, err := client.New(client.Config{
		Server: p.http.URL, DeviceID: device, HTTPClient: &http.Client{Transport: named(name)},
		Token: func(context.Context) (string, error) { return p.server.signer.Sign(account, time.Hour, time.Now()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Login(ctx); err != nil {
		t.Fatal(err)
	}
	ph := &phone{
		Client: c, name: name, proxy: p, live: make(map[string]bool), ends: make(map[string]client.End),
		records: make(map[string]client.Record), news: make(chan struct{}),
	}
	go ph.watch(t.Context())
	return ph
}

func (p *phone) plan(what plan, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.pause = what, pause
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
		go answer(ctx, e.Call, p.what, p.pause)
	case client.Updated:
		p.live[e.Call.ID()] = true
		for _, c := range e.Changes {
			p.react(ctx, e.Call, c)
		}
	case client.Ended:
		id := e.Call.ID()
		if was, twice := p.ends[id]; twice {
			p.complaints = append(p.complaints, fmt.Sprintf("%s: %s ended twice: %v, %v", p.name, id, was, e.End))
		}
		delete(p.live, id)
		p.ends[id] = e.End
	case client.RecordFiled:
		if _, twice := p.records[e.Record.CallID]; twice {
			p.complaints = append(p.complaints, p.name+" has two records of "+e.Record.CallID)
		}
		p.records[e.Record.CallID] = e.Record
	case client.LoggedOut:
		p.complaints = append(p.complaints, p.name+" was logged out: "+e.Reason.Error())
	}
}

// react does this phone's part once a call is answered. What a method returns
// is of no interest here: the server may be dead.
func (p *phone) react(ctx context.Context, call *client.Call, change client.Change) {
	switch {
	case change == client.Accepted, change == client.Generation, change == client.Reconnected:
		go func() {
			s := call.Snapshot()
			if call.Incoming() && s.Generation > 0 && p.planned() == glare {
				_ = call.Answer(ctx, s.Generation, "v=0 answer")
			}
			_ = call.ReportMedia(ctx, s.Generation, true)
		}()
	case change == client.Connected:
		switch what := p.what; {
		case what == vanishes:
			if call.Incoming() {
				go p.proxy.vanish(p.name, 3*time.Second)
			}
		case what == calleeHangsUp && !call.Incoming(), what == callerHangsUp && call.Incoming():
		default:
			pause := p.pause
			go func() {
				time.Sleep(pause)
				_ = call.Hangup(ctx)
			}()
		}
	}
}

func (p *phone) planned() plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.what
}

func answer(ctx context.Context, call *client.Call, what plan, pause time.Duration) {
	if what == timeout || what == glare || what == callerLeaves {
		return
	}
	if what == acceptTimeout {
		pause += ringTime
	}
	time.Sleep(pause)
	var both sync.WaitGroup
	if what == rejects || what == acceptReject || what == rejectCancel {
		both.Go(func() { _ = call.Reject(ctx) })
	}
	if what != rejects && what != rejectCancel {
		both.Go(func() { _ = call.Accept(ctx, call.Snapshot().Generation, "v=0 answer") })
	}
	both.Wait()
}

// told are the calls that this phone was told the end of.
func (p *phone) told() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := make(map[string]bool)
	for id := range p.ends {
		ids[id] = true
	}
	for id := range p.records {
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
	return p.wait(ctx, "is still in a call", func() bool { return len(p.live) == 0 })
}

func (p *phone) hasRecord(ctx context.Context, id string) error {
	return p.wait(ctx, "has no record of "+id, func() bool { _, filed := p.records[id]; return filed })
}

// account gives what this phone has seen, and forgets it.
func (p *phone) account() (ends map[string]client.End, records map[string]client.Record, complaints []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ends, records, complaints = maps.Clone(p.ends), maps.Clone(p.records), p.complaints
	clear(p.ends)
	clear(p.records)
	p.complaints = nil
	return ends, records, complaints
}
