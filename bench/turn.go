package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/turn/v5"
)

// What the flows carry is like good video: packets of this size, sent in so many
// bursts a second.
const (
	packetBytes = 1000
	ticks       = 100
	// lossPatience is when a packet that has not come back counts as lost.
	lossPatience = 200 * time.Millisecond
	// mostPerSecond keeps a flow below the 8 Mbit/s that Peal's relay lets through
	// each way: what it drops above that would be work without a result.
	mostPerSecond = 900
)

func benchTurn(ctx context.Context, args []string) error {
	f := flags("turn")
	binary := pealFlag(f)
	rounds := f.Int("rounds", 7, "how often each relay is measured, in turn; 50 at most")
	flows := f.Int("flows", 16, "relayed addresses that are used at the same time; 100 at most")
	perSecond := f.Int("packets", 500, fmt.Sprintf("packets that each flow sends a second, which come back; %d at most", mostPerSecond))
	each := f.Duration("each", 4*time.Second, "how long each is measured at a time; 1m at most")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *perSecond < 100 || *perSecond > mostPerSecond {
		return errors.New("-packets is out of bounds: see bench turn -h")
	}
	if *rounds < 1 || *rounds > 50 || *flows < 1 || *flows > 100 || *each < time.Second || *each > time.Minute {
		return errors.New("-rounds, -flows or -each is out of bounds: see bench turn -h")
	}
	ours, err := startOurRelay(ctx, *binary)
	if err != nil {
		return err
	}
	defer ours.stop()
	all := []*relayed{ours}
	coturn, err := startCoturn(ctx)
	if err != nil {
		fmt.Printf("Without coturn: %v\n", err)
	} else {
		defer coturn.stop()
		all = append(all, coturn)
	}
	for round := range *rounds + 1 { // The first is to warm up.
		for _, r := range all {
			if err := r.measure(ctx, *flows, *perSecond, *each, round); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	last := fmt.Sprintf("turn_cpu_us=%.2f turn_packets_s=%.0f", median(ours.us), median(ours.rate))
	if coturn == nil {
		fmt.Println(last + " turn_ratio=none")
		return nil
	}
	fmt.Printf("%s turn_ratio=%.2f\n", last, ratio(ours.us, coturn.us))
	return nil
}

// relayed is a relay that is measured.
type relayed struct {
	*process
	addr  string
	realm string
	// login gives name and password for a flow.
	login func(ctx context.Context, flow int) (username, password string, err error)
	us    []float64 // CPU a packet, of each round.
	rate  []float64 // Packets a second.
}

func startOurRelay(ctx context.Context, binary string) (*relayed, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s, err := startPeal(ctx, binary, "--turn-addr", addr, "--turn-allow-peer", "127.0.0.0/8")
	if err != nil {
		return nil, err
	}
	token := s.load(2).Token
	return &relayed{process: s.process, addr: addr, realm: "peal", login: func(ctx context.Context, flow int) (string, string, error) {
		token, err := token(ctx, fmt.Sprintf("bench-%d", flow))
		if err != nil {
			return "", "", err
		}
		return iceCredentials(ctx, s.addr, token)
	}}, nil
}

// iceCredentials asks the server as a device does.
func iceCredentials(ctx context.Context, addr, token string) (username, password string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/ice-servers", nil)
	if err != nil {
		return "", "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = w.Body.Close() }()
	var answer struct {
		IceServers []struct{ Username, Credential string }
	}
	if err := json.NewDecoder(w.Body).Decode(&answer); err != nil {
		return "", "", err
	}
	for _, s := range answer.IceServers {
		if s.Username != "" {
			return s.Username, s.Credential, nil
		}
	}
	return "", "", errors.New("the server gives no TURN server")
}

func startCoturn(ctx context.Context) (*relayed, error) {
	if _, err := exec.LookPath("turnserver"); err != nil {
		return nil, fmt.Errorf("%w: install Debian's package coturn", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, "coturn", "turnserver", "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
		"--listening-port="+strconv.Itoa(port), "--lt-cred-mech", "--user=bench:bench", "--realm=bench", "--no-tls", "--no-dtls", "--no-cli",
		"--allow-loopback-peers", "--no-stdout-log", "--log-file=/dev/null", "--pidfile=", "--userdb=/dev/null")
	if err != nil {
		return nil, err
	}
	ready := func() bool {
		return exec.CommandContext(ctx, "sh", "-c", fmt.Sprintf("grep -qi ':%04X ' /proc/net/udp", port)).Run() == nil
	}
	if err := p.until(ctx, ready); err != nil {
		p.stop()
		return nil, err
	}
	return &relayed{process: p, addr: fmt.Sprintf("127.0.0.1:%d", port), realm: "bench", login: func(context.Context, int) (string, string, error) {
		return "bench", "bench", nil
	}}, nil
}

// flow is a client with a relayed address, and its peer, which sends back what
// it gets.
type flow struct {
	client *turn.Client
	own    net.PacketConn
	relay  net.PacketConn
	peer   net.PacketConn
}

func (f *flow) close() {
	if f.relay != nil {
		_ = f.relay.Close()
	}
	if f.client != nil {
		f.client.Close()
	}
	for _, c := range []net.PacketConn{f.own, f.peer} {
		if c != nil {
			_ = c.Close()
		}
	}
}

func (r *relayed) open(ctx context.Context, n int) (f *flow, err error) {
	username, password, err := r.login(ctx, n)
	if err != nil {
		return nil, err
	}
	// Not f itself: what is returned with an error is nil.
	made := &flow{}
	f = made
	defer func() {
		if err != nil {
			made.close()
		}
	}()
	var listen net.ListenConfig
	if f.own, err = listen.ListenPacket(ctx, "udp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if f.peer, err = listen.ListenPacket(ctx, "udp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if f.client, err = turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: r.addr, Username: username, Password: password, Realm: r.realm, Conn: f.own,
	}); err != nil {
		return nil, err
	}
	if err = f.client.Listen(); err != nil {
		return nil, err
	}
	if f.relay, err = f.client.Allocate(); err != nil {
		return nil, fmt.Errorf("allocate: %w", err)
	}
	return f, f.greet(ctx)
}

// openAll opens flows at the same time. Those that came to be are added to
// open, also where others did not.
func (r *relayed) openAll(ctx context.Context, flows int, open *[]*flow) error {
	var (
		work   sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	for n := range flows {
		work.Go(func() {
			f, err := r.open(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			if failed = errors.Join(failed, err); err == nil {
				*open = append(*open, f)
			}
		})
	}
	work.Wait()
	return failed
}

// greet sends until a packet comes back by a channel: its binding takes a while.
func (f *flow) greet(ctx context.Context) error {
	go f.echo()
	packet, back := make([]byte, packetBytes), make([]byte, 2*packetBytes)
	begin := time.Now()
	defer func() { _ = f.relay.SetReadDeadline(time.Time{}) }()
	for came := 0; came < 20 || time.Since(begin) < 300*time.Millisecond; {
		if ctx.Err() != nil || time.Since(begin) > 10*time.Second {
			return errors.Join(errors.New("nothing comes back from the relay"), ctx.Err())
		}
		if _, err := f.relay.WriteTo(packet, f.peer.LocalAddr()); err != nil {
			return err
		}
		if err := f.relay.SetReadDeadline(time.Now().Add(lossPatience)); err != nil {
			return err
		}
		if _, _, err := f.relay.ReadFrom(back); err == nil {
			came++
		}
	}
	return nil
}

func (f *flow) echo() {
	packet := make([]byte, 2*packetBytes)
	for {
		n, from, err := f.peer.ReadFrom(packet)
		if err != nil {
			return
		}
		_, _ = f.peer.WriteTo(packet[:n], from) // What is lost is sent again.
	}
}

// talk sends packets by the clock until ctx ends, and counts those that came
// back. What is lost stays lost.
func (f *flow) talk(ctx context.Context, perSecond int, sent, back *atomic.Int64) {
	var reading sync.WaitGroup
	reading.Go(func() {
		buffer := make([]byte, 2*packetBytes)
		for {
			if _, _, err := f.relay.ReadFrom(buffer); err != nil {
				return // The deadline: below.
			}
			back.Add(1)
		}
	})
	packet := make([]byte, packetBytes)
	ticker := time.NewTicker(time.Second / ticks)
	defer ticker.Stop()
	begin, done := time.Now(), 0
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		// What a late tick has missed is made up for, as far as a queue takes it.
		due := int(time.Since(begin).Seconds() * float64(perSecond))
		for range min(due-done, perSecond/10) {
			_, _ = f.relay.WriteTo(packet, f.peer.LocalAddr()) // It may be lost.
			sent.Add(1)
		}
		done = due
	}
	_ = f.relay.SetReadDeadline(time.Now().Add(lossPatience)) // Of a connection that is open.
	reading.Wait()
}

// measure counts what goes through for a while, and what it costs the relay.
func (r *relayed) measure(ctx context.Context, flows, perSecond int, each time.Duration, round int) error {
	var open []*flow
	defer func() {
		for _, f := range open {
			f.close()
		}
	}()
	if err := r.openAll(ctx, flows, &open); err != nil {
		return err
	}
	before, err := cpu(r.pid())
	if err != nil {
		return err
	}
	var (
		work       sync.WaitGroup
		sent, back atomic.Int64
	)
	talking, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	begin := time.Now()
	for _, f := range open {
		work.Go(func() { f.talk(talking, perSecond, &sent, &back) })
	}
	work.Wait()
	after, err := cpu(r.pid())
	if err != nil {
		return err
	}
	packets := 2 * float64(back.Load()) // There and back.
	if packets == 0 {
		return errors.Join(errors.New("nothing was relayed"), ctx.Err())
	}
	us, rate := float64((after-before).Microseconds())/packets, packets/time.Since(begin).Seconds()
	if round > 0 {
		r.us, r.rate = append(r.us, us), append(r.rate, rate)
		fmt.Printf("round %d  %-7s  %5.2f µs CPU a packet, %6.0f packets/s, %.1f %% lost\n",
			round, r.name, us, rate, 100*(1-float64(back.Load())/float64(max(sent.Load(), 1))))
	}
	return ctx.Err()
}
