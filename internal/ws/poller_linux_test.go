package ws

import (
	"bytes"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// byHand is a Poller whose turns the test takes. It is the Handler too, and answers each
// command at once.
type byHand struct {
	*bench
	poller *Poller
	conn   *Conn
	heard  int
	ended  bool
}

func (h *byHand) Opened(c *Conn)     { h.conn = c }
func (*byHand) Ponged(*Conn)         {}
func (h *byHand) Closed(*Conn, bool) { h.ended = true }
func (h *byHand) Received(c *Conn, f *pealv1.ClientFrame, _ *pealv1.Error) {
	h.heard++
	c.Send(&pealv1.ServerFrame{ReplyTo: f.Id})
}

// turns takes turns until something holds.
func (h *byHand) turns(holds func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			h.t.Fatal("it does not come")
		}
		h.poller.Wait(time.Now().Add(10 * time.Millisecond))
	}
}

func startByHand(t *testing.T) (*byHand, *raw) {
	t.Helper()
	h := &byHand{}
	var err error
	if h.poller, err = NewPoller(h); err != nil {
		t.Fatal(err)
	}
	endpoint := New(Config{Limits: protocol.DefaultLimits(), Handler: h, Poller: h.poller})
	h.bench = &bench{t: t, endpoint: endpoint, http: httptest.NewServer(endpoint)}
	r := h.raw()
	h.turns(func() bool { return h.conn != nil })
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			endpoint.Close()
		}()
		h.turns(func() bool {
			select {
			case <-closed:
				return true
			default:
				return false
			}
		})
		h.http.Close()
		h.poller.Close()
	})
	return h, r
}

// TestTurns: one connection that has much to say does not keep others waiting. All of
// its answers fit, though more come of one turn than may wait.
func TestTurns(t *testing.T) {
	h, r := startByHand(t)
	const commands, most = 1000, 200 // Of 24 bytes each; 64 may wait.
	r.write(bytes.Repeat(frame(text, command), commands))
	got := 0
	h.turns(func() bool {
		if h.heard-got > most {
			t.Fatalf("a turn took %d commands, at most %d are to be", h.heard-got, most)
		}
		got = h.heard
		return got == commands
	})
	for range commands {
		r.want(ws.OpText, `{"replyTo":7}`)
	}
}

// TestStale: what was found of a connection does not concern another that has its
// descriptor now.
func TestStale(t *testing.T) {
	h, r := startByHand(t)
	c := h.conn.via.(*polled)
	r.write(frame(text, command))
	h.poller.ready(&unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd), Pad: int32(c.id) + 1})
	h.poller.ready(&unix.EpollEvent{Events: unix.EPOLLIN, Fd: 1 << 20, Pad: int32(c.id)})
	if h.heard > 0 || h.ended {
		t.Error("it is served for another")
	}
	h.turns(func() bool { return h.heard == 1 })
}

// TestOneDescriptor: a connection that is adopted has one descriptor here, though the
// collector of garbage is not there to close another.
func TestOneDescriptor(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	h, _ := startByHand(t)
	const more = 10
	before := descriptors(t)
	for range more {
		h.conn = nil
		h.raw()
		h.turns(func() bool { return h.conn != nil })
	}
	// One there and one here. The server lets go of the one that it had before long.
	for deadline := time.Now().Add(patience); descriptors(t)-before > 2*more; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors more with %d connections more", descriptors(t)-before, more)
		}
	}
}

// TestNoTimers: a wait whose end is put off arms no timer, and one that ends earlier does.
func TestNoTimers(t *testing.T) {
	p, err := NewPoller(&byHand{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	now := time.Now()
	set := func(until time.Time) time.Time {
		p.sleep(until)
		p.asleep = false
		return p.alarm
	}
	hour := now.Add(time.Hour)
	for _, tt := range []struct{ until, want time.Time }{
		{hour, hour}, {hour.Add(time.Second), hour}, {time.Time{}, hour}, {now.Add(time.Minute), now.Add(time.Minute)},
	} {
		if got := set(tt.until); !got.Equal(tt.want) {
			t.Errorf("a wait until %v ends at %v, want %v", tt.until, got, tt.want)
		}
	}
	p.asleep = true
	p.Wake()
	p.woken = false
	if got := set(time.Time{}); !got.Equal(now.Add(time.Minute)) || p.kicked {
		t.Errorf("after a wake-up the wait ends at %v", got)
	}
	began := time.Now()
	p.Wait(began.Add(20 * time.Millisecond))
	if took := time.Since(began); took < 20*time.Millisecond || took > patience {
		t.Errorf("a wait of 20 ms took %v", took)
	}
}

// TestIdle: a connection that waits holds no buffer, whatever came before.
func TestIdle(t *testing.T) {
	h, r := startByHand(t)
	large := command + strings.Repeat(" ", 8000)
	r.write(frame(1, large[:5000]))
	h.turns(func() bool { return h.conn.part != nil })
	r.write(frame(ping, "x"), frame(fin, large[5000:]))
	h.turns(func() bool { return h.heard == 1 })
	h.turns(func() bool { return h.conn.via.(*polled).out == nil })
	if h.conn.part != nil || cap(h.conn.waiting) > keptMessages {
		t.Errorf("it holds %v, and room for %d messages", h.conn.part, cap(h.conn.waiting))
	}
}
