package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/socket"
)

// callPatience is how long a call may take beside ringing and talking.
const callPatience = 20 * time.Second

// Fleet is many devices. Make it by New, then Connect, then Run.
type Fleet struct {
	cfg    Config
	dialer socket.Dialer
	ctx    context.Context
	cancel context.CancelFunc
	start  time.Time // For now.
	work   sync.WaitGroup
	phones []*phone
	online atomic.Int64

	mu    sync.Mutex // Guards what follows.
	calls map[string]*call
	idle  idle
	tally tally
	// connectErr is the latest reason why a connection failed to open.
	connectErr error
	// news is closed when a call is over.
	news chan struct{}
	// closed says that nothing may be begun any more.
	closed bool
}

// idle are the phones that are in no call: the caller that has been idle for the
// longest is next, and any callee, so that no two meet again and again.
type idle struct {
	callers, callees []*phone
}

// New makes the devices. None is logged in.
func New(cfg Config) (*Fleet, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	f := &Fleet{
		cfg: cfg,
		dialer: socket.Dialer{
			URL:          strings.TrimSuffix(cfg.Server, "/") + protocol.Path,
			Client:       &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext, ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10}},
			Subprotocols: protocol.Subprotocols(),
		},
		start: time.Now(), calls: make(map[string]*call), news: make(chan struct{}), tally: newTally(),
	}
	if cfg.JSON {
		f.dialer.Subprotocols = []string{protocol.Subprotocol}
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	for i := range cfg.Devices {
		p := newPhone(f, fmt.Sprintf("%s%d", cfg.Prefix, i))
		f.phones = append(f.phones, p)
		if i%2 == 0 {
			f.idle.callers = append(f.idle.callers, p)
		} else {
			f.idle.callees = append(f.idle.callees, p)
		}
	}
	return f, nil
}

// now is a time that only grows, also where the clock is set back.
func (f *Fleet) now() time.Time { return f.start.Add(time.Since(f.start)) }

func (f *Fleet) count(online bool) {
	if online {
		f.online.Add(1)
	} else {
		f.online.Add(-1)
	}
}

// Online is how many devices are logged in.
func (f *Fleet) Online() int { return int(f.online.Load()) }

func (f *Fleet) cannotConnect(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.connectErr = err
}

// connectPatience is how long one device may take to log in.
const connectPatience = 60 * time.Second

// Connect logs all devices in. They stay logged in, over lost connections.
func (f *Fleet) Connect(ctx context.Context) error {
	stop := f.report(ctx)
	defer stop()
	var (
		places = make(chan struct{}, f.cfg.Connects)
		work   sync.WaitGroup
		once   sync.Once
		failed error
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range f.phones {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		work.Go(func() {
			defer func() { <-places }()
			if err := p.login(ctx); err != nil {
				once.Do(func() { failed = err })
				cancel()
			}
		})
	}
	work.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

func (f *Fleet) why() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.connectErr
}

// begin begins the call that is due.
func (f *Fleet) begin(due time.Time) {
	f.mu.Lock()
	f.tally.begun++
	caller, callee := f.idle.take()
	if caller == nil {
		f.tally.errors[codeNoDevice]++
		f.tally.failed++
		f.mu.Unlock()
		return
	}
	var chance [10]byte
	_, _ = rand.Read(chance[:]) // It never fails.
	c := &call{fleet: f, id: protocol.CallID(due, chance), due: due, caller: caller, callee: callee, left: 2}
	c.timer = time.AfterFunc(f.cfg.Ring+f.cfg.Talk+callPatience, func() { c.fail(codeTimeout) })
	f.calls[c.id] = c
	f.mu.Unlock()
	f.work.Go(func() { caller.invite(c) })
}

func (f *Fleet) callOf(id string) *call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[id]
}

// done takes a call that is over. The call's mu is held, and maybe a phone's.
func (f *Fleet) done(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.calls, c.id)
	f.tally.add(c)
	close(f.news)
	f.news = make(chan struct{})
	if c.code == "" {
		f.idle.put(c)
		return
	}
	if f.closed {
		return
	}
	// Each side leaves what may be left of it, and is idle again after.
	f.work.Go(func() {
		for _, p := range []*phone{c.caller, c.callee} {
			p.leave(c)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.idle.put(c)
	})
}

// take takes two phones that are in no call, or none.
func (i *idle) take() (caller, callee *phone) {
	if len(i.callers) == 0 || len(i.callees) == 0 {
		return nil, nil
	}
	caller, i.callers = i.callers[0], i.callers[1:]
	k, last := mathrand.IntN(len(i.callees)), len(i.callees)-1
	callee = i.callees[k]
	i.callees[k] = i.callees[last]
	i.callees = i.callees[:last]
	return caller, callee
}

func (i *idle) put(c *call) {
	i.callers = append(i.callers, c.caller)
	i.callees = append(i.callees, c.callee)
}

// Run begins calls by the clock and waits until all are over. It ends early
// with ctx.
func (f *Fleet) Run(ctx context.Context) (*Result, error) {
	stop := f.report(ctx)
	defer stop()
	var (
		calls = int(f.cfg.Rate * f.cfg.Duration.Seconds())
		start = time.Now()
		timer = time.NewTimer(0)
		late  []time.Duration
	)
	defer timer.Stop()
	for i := range calls {
		due := start.Add(time.Duration(float64(i) / f.cfg.Rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		late = append(late, time.Since(due))
		f.begin(due)
	}
	f.drain(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.tally.result(f.cfg, time.Since(start))
	r.Late = spread(late)
	return r, ctx.Err()
}

// drain waits for the calls that are under way. Each is bounded by its timer.
func (f *Fleet) drain(ctx context.Context) {
	for {
		f.mu.Lock()
		left, news := len(f.calls), f.news
		f.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// report tells of the progress each second until stop is called.
func (f *Fleet) report(ctx context.Context) (stop func()) {
	if f.cfg.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(over)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f.mu.Lock()
				p := f.tally.progress()
				f.mu.Unlock()
				p.Elapsed, p.Online = time.Since(start), f.Online()
				f.cfg.Progress(p)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-over
	}
}

// Close ends all connections without a word, and waits until nothing of the
// fleet runs any more.
func (f *Fleet) Close() {
	f.cancel()
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	for _, p := range f.phones {
		p.mu.Lock()
		p.over = true
		p.timer.Stop()
		p.mu.Unlock()
	}
	f.work.Wait()
	f.dialer.Client.CloseIdleConnections()
}

var errNotInTime = errors.New("it took too long")

// Completed is how many calls have gone through, in all runs.
func (f *Fleet) Completed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tally.ended
}

// Talking is how many calls are connected now.
func (f *Fleet) Talking() int {
	f.mu.Lock()
	all := slices.Collect(maps.Values(f.calls))
	f.mu.Unlock()
	n := 0
	for _, c := range all {
		c.mu.Lock()
		if !c.hangupAt.IsZero() {
			n++
		}
		c.mu.Unlock()
	}
	return n
}
