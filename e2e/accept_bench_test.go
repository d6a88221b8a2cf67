package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

var benchAccept = flag.Int("bench-accept", 0, "measure so many calls from their acceptance to media; 0 measures none")

// hop is how long anything takes longer, one way, where signalling is slow.
const hop = 100 * time.Millisecond

// rival is one way to get from an acceptance to media.
type rival struct {
	name string
	slow bool // Signalling takes a hop longer each way.
	// play brings a call about, and gives when it was accepted.
	play func(b *acceptBench, slow bool) (acceptedAt float64)
	took map[string][]float64 // By what was waited for, in ms.
}

// acceptBench is two pages that call each other in every way there is.
type acceptBench struct {
	t              *testing.T
	caller, callee *page
	slowCaller     *page // The same, whose signalling is slow.
	slowCallee     *page
	relay          string // Passes on what one says to the other.
	slowRelay      string
}

// From the acceptance to the first picture and sound, both ways: Peal; the floor,
// which is a connection between two pages that have exchanged everything already;
// and media that is joined once the acceptance has gone to the caller and back.
func TestBenchAccept(t *testing.T) {
	n := *benchAccept
	if n == 0 {
		n = 1 // That it works is looked at always.
	}
	b := newAcceptBench(t)
	var starts []float64
	rivals := []*rival{
		{name: "floor", play: playBare},
		{name: "Peal", play: playPeal},
		{name: "joined after", play: playJoined},
		{name: "Peal", slow: true, play: playPeal},
		{name: "joined after", slow: true, play: playJoined},
	}
	for _, p := range []*page{b.caller, b.callee, b.slowCaller, b.slowCallee} {
		took, err := evaluate[float64](p, "prepare()")
		if err != nil {
			t.Fatal(err)
		}
		starts = append(starts, took)
	}
	for range n {
		for _, r := range rivals {
			b.measure(r)
		}
	}
	slices.Sort(starts)
	if *benchAccept > 0 {
		report(rivals, starts, n)
	}
}

func newAcceptBench(t *testing.T) *acceptBench {
	s := startServer(t)
	// Without host names for addresses, whose making and finding takes time by itself.
	browser := startBrowser(t, chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns"))
	html, err := os.ReadFile("testdata/accept.html")
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, strings.Replace(string(html), "<script>", fmt.Sprintf(`<script src="%s/sdk/peal.umd.js"></script><script>`, s.url()), 1))
	}))
	t.Cleanup(app.Close)
	pass := httptest.NewServer(&passing{})
	t.Cleanup(pass.Close)
	b := &acceptBench{
		t: t, relay: strings.Replace(pass.URL, "http", "ws", 1),
		slowRelay: "ws://" + startDelay(t, pass.Listener.Addr().String(), hop),
	}
	slow := "http://" + startDelay(t, s.addr, hop)
	person := func(account, server string) *page {
		p := open(t, browser, app.URL)
		p.account = account
		p.run(fmt.Sprintf("login(%q, %q)", server, s.token(account)))
		return p
	}
	b.caller, b.callee = person("alice", s.url()), person("bob", s.url())
	b.slowCaller, b.slowCallee = person("carol", slow), person("dave", slow)
	return b
}

// people are the two pages of a call.
func (b *acceptBench) people(slow bool) (caller, callee *page) {
	if slow {
		return b.slowCaller, b.slowCallee
	}
	return b.caller, b.callee
}

func (b *acceptBench) measure(r *rival) {
	b.t.Helper()
	at := r.play(b, r.slow)
	caller, callee := b.people(r.slow)
	if r.took == nil {
		r.took = make(map[string][]float64)
	}
	last := 0.0
	for who, p := range map[string]*page{"caller": caller, "callee": callee} {
		p.until("sees and hears", "watched?.first.video && watched.first.audio")
		got, err := evaluate[struct{ Video, Audio float64 }](p, "({Video: watched.first.video, Audio: watched.first.audio})")
		if err != nil {
			b.t.Fatal(err)
		}
		for what, when := range map[string]float64{who + " sees": got.Video, who + " hears": got.Audio} {
			if when < at {
				b.t.Fatalf("%s: %s %f ms before the acceptance", r.name, what, at-when)
			}
			r.took[what] = append(r.took[what], when-at)
			last = max(last, when-at)
		}
	}
	r.took["all of it"] = append(r.took["all of it"], last)
	for _, p := range []*page{caller, callee} {
		p.run("over()")
		p.run("void (current?.end ?? current?.hangup()); void 0")
		p.until("is idle", "!client.activeCall")
	}
}

func playPeal(b *acceptBench, slow bool) float64 {
	caller, callee := b.people(slow)
	callee.run("current = null; void 0")
	caller.run(fmt.Sprintf("call(%q)", callee.account))
	callee.until("rings, and has gathered", `current?.state === "ringing" && current.peerConnection?.iceGatheringState === "complete"`)
	caller.until("has gathered", `current.peerConnection?.iceGatheringState === "complete"`)
	b.settle()
	at, err := evaluate[float64](callee, "accept()")
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

func playBare(b *acceptBench, slow bool) float64 {
	caller, callee := b.people(slow)
	type description struct {
		SDP        string          `json:"sdp"`
		Candidates json.RawMessage `json:"candidates"`
	}
	offer, err := evaluate[description](caller, "bareOffer()")
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := evaluate[description](callee, fmt.Sprintf("bareAnswer(%q)", offer.SDP))
	if err != nil {
		b.t.Fatal(err)
	}
	b.settle()
	at := float64(time.Now().Add(300*time.Millisecond).UnixMicro()) / 1000
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := evaluate[float64](caller, fmt.Sprintf("go(%f, %q, %s)", at, answer.SDP, answer.Candidates)); err != nil {
			b.t.Error(err)
		}
	})
	both.Go(func() {
		if _, err := evaluate[float64](callee, fmt.Sprintf("go(%f, null, %s)", at, offer.Candidates)); err != nil {
			b.t.Error(err)
		}
	})
	both.Wait()
	return at
}

func playJoined(b *acceptBench, slow bool) float64 {
	caller, callee := b.people(slow)
	relay := b.relay
	if slow {
		relay = b.slowRelay
	}
	caller.run(fmt.Sprintf(`dial(%q, "caller")`, relay))
	callee.run(fmt.Sprintf(`dial(%q, "callee")`, relay))
	b.settle()
	at, err := evaluate[float64](callee, "acceptThere()")
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

// settle lets what came before come to rest.
func (b *acceptBench) settle() {
	if *benchAccept == 0 {
		return
	}
	<-time.After(300 * time.Millisecond)
}

// report prints what stands in docs/run/performance.md.
func report(rivals []*rival, starts []float64, n int) {
	at := func(list []float64, p int) float64 { return list[min(len(list)*p/100, len(list)-1)] }
	whats := []string{"callee sees", "callee hears", "caller sees", "caller hears", "all of it"}
	fmt.Printf("\nFrom the acceptance, %d calls of each kind in one run, p50 and p95 in ms.\n\n| |", n)
	for _, what := range whats {
		fmt.Printf(" %s |", what)
	}
	fmt.Printf("\n|---|---|---|---|---|---|\n")
	floor := 0.0
	for _, r := range rivals {
		name := r.name
		if r.slow {
			name += fmt.Sprintf(", signalling %d ms slower each way", hop.Milliseconds())
		}
		fmt.Printf("| %s |", name)
		for _, what := range whats {
			slices.Sort(r.took[what])
			fmt.Printf(" %.0f / %.0f |", at(r.took[what], 50), at(r.took[what], 95))
		}
		fmt.Println()
		if r.name == "floor" {
			floor = at(r.took["all of it"], 50)
		}
	}
	fmt.Printf("\nOpening camera and microphone, apart: %.0f ms (median of %d).\n", at(starts, 50), len(starts))
	over := func(r *rival) float64 { return at(r.took["all of it"], 50) - floor }
	fmt.Printf("accept_over_floor_ms=%.0f slow_accept_over_floor_ms=%.0f hops_ms=%d\n",
		over(rivals[1]), over(rivals[3]), 2*hop.Milliseconds())
}

// passing passes on what one of two says to the other.
type passing struct {
	mu      sync.Mutex
	waiting chan *websocket.Conn
}

// ServeHTTP implements http.Handler.
func (s *passing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	c.SetReadLimit(1 << 20)
	s.mu.Lock()
	first := s.waiting
	if first != nil {
		s.waiting = nil
		s.mu.Unlock()
		first <- c
		return
	}
	mine := make(chan *websocket.Conn, 1)
	s.waiting = mine
	s.mu.Unlock()
	other := <-mine
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pass := func(to, from *websocket.Conn) {
		defer cancel()
		for {
			kind, text, err := from.Read(ctx)
			if err != nil || to.Write(ctx, kind, text) != nil {
				return
			}
		}
	}
	go pass(c, other)
	pass(other, c)
	_, _ = c.CloseNow(), other.CloseNow()
}

// startDelay passes connections on to an address, each byte a while later.
func startDelay(t *testing.T, to string, delay time.Duration) (addr string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := new(net.Dialer).DialContext(context.Background(), "tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			go late(server, client, delay)
			go late(client, server, delay)
		}
	}()
	return l.Addr().String()
}

// late copies from one connection to another, each byte as much later.
func late(to, from net.Conn, delay time.Duration) {
	type piece struct {
		bytes []byte
		due   time.Time
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				pieces <- piece{buffer[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	defer to.Close()
	defer from.Close()
	for p := range pieces {
		<-time.After(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			return
		}
	}
}
