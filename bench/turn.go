package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"
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
	names := f.String("ways", "channels,indications,tcp", "how packets go between clients and relay")
	if err := f.Parse(args); err != nil {
		return err
	}
	chosen, err := waysOf(*names)
	if err != nil {
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
	p := pace{flows: *flows, perSecond: *perSecond, each: *each}
	for round := range *rounds + 1 { // The first is to warm up.
		for _, w := range chosen {
			for _, r := range all {
				if err := r.measure(ctx, w, p, round); err != nil {
					return fmt.Errorf("%s, %s: %w", r.name, w, err)
				}
			}
		}
	}
	var last []string
	for _, w := range chosen {
		last = append(last, w.result(ours, coturn))
	}
	fmt.Println(strings.Join(last, " "))
	return nil
}

// way is how packets go between a client and its relay.
type way int

const (
	channels    way = iota // Data on a channel, over UDP.
	indications            // Send and Data indications, over UDP.
	stream                 // Data on a channel, over TCP.
	ways                   // How many there are.
)

// String is the name of a way.
func (w way) String() string { return [ways]string{"channels", "indications", "tcp"}[w] }

// waysOf reads names with commas between them.
func waysOf(names string) ([]way, error) {
	var found []way
	for name := range strings.SplitSeq(names, ",") {
		w := channels
		for w < ways && w.String() != name {
			w++
		}
		if w == ways {
			return nil, fmt.Errorf("-ways: %q is no way: see bench turn -h", name)
		}
		found = append(found, w)
	}
	return found, nil
}

// result is the part of the last line about a way. The peer may be nil.
func (w way) result(ours, peer *relayed) string {
	text := fmt.Sprintf("%s_cpu_us=%.2f %s_packets_s=%.0f ", w, median(ours.us[w]), w, median(ours.rate[w]))
	if peer == nil {
		return text + w.String() + "_ratio=none"
	}
	return fmt.Sprintf("%s%s_ratio=%.2f", text, w, ratio(ours.us[w], peer.us[w]))
}

// pace is what each round sends.
type pace struct {
	flows, perSecond int
	each             time.Duration
}

// relayed is a relay that is measured.
type relayed struct {
	*process
	addr  string
	realm string
	// login gives name and password for a flow.
	login func(ctx context.Context, flow int) (username, password string, err error)
	us    [ways][]float64 // CPU a packet, of each round.
	rate  [ways][]float64 // Packets a second.
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
