package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// iceServer is one of `peal ice`.
type iceServer struct {
	URLs                 []string `json:"urls"`
	Username, Credential string
}

// iceServers asks by the command, as an operator would.
func (s *server) iceServers(account string) []iceServer {
	s.t.Helper()
	command := exec.Command(binary, "ice", "--server", s.url(), "--account", account)
	command.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(s.data, "tls-cert.pem"))
	out, err := command.CombinedOutput()
	if err != nil {
		s.t.Fatalf("peal ice: %v: %s", err, out)
	}
	var servers []iceServer
	if err := json.Unmarshal(out, &servers); err != nil || len(servers) != 2 {
		s.t.Fatalf("peal ice gave %s: %v", out, err)
	}
	return servers
}

var (
	lost     = regexp.MustCompile(`Total lost packets (\d+) `)
	received = regexp.MustCompile(`tot_recv_msgs=(\d+)`)
)

// Clients of coturn speak with the relay over every transport: what they send
// comes back.
func TestCoturnClients(t *testing.T) {
	turn, secure := freeAddr(t), freeAddr(t)
	s := startServer(t, "--tls", "--turn-addr", turn, "--turn-tls-addr", secure)
	credentials := s.iceServers("alice")[1]
	host, port, _ := net.SplitHostPort(turn)
	_, securePort, _ := net.SplitHostPort(secure)

	out, err := exec.Command("turnutils_stunclient", "-p", port, host).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "UDP reflexive addr: 127.0.0.1:") {
		t.Errorf("turnutils_stunclient: %v\n%s", err, out)
	}

	_, peerPort, _ := net.SplitHostPort(freeAddr(t))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	peer := exec.CommandContext(ctx, "turnutils_peer", "-L", "127.0.0.1", "-p", peerPort)
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = peer.Wait() }() // It goes by the signal.

	for name, flags := range map[string][]string{
		"UDP, channels":    {"-p", port},
		"UDP, indications": {"-p", port, "-s"},
		"TCP":              {"-p", port, "-t"},
		"TLS":              {"-p", securePort, "-t", "-S"},
	} {
		t.Run(name, func(t *testing.T) {
			// -c: an allocation at a time; -n, -l: so many packets of that length.
			args := append(flags, "-u", credentials.Username, "-w", credentials.Credential,
				"-e", "127.0.0.1", "-r", peerPort, "-n", "50", "-l", "200", "-c", host)
			out, err := exec.CommandContext(ctx, "turnutils_uclient", args...).CombinedOutput()
			missing, got := lost.FindSubmatch(out), received.FindAllSubmatch(out, -1)
			if err != nil || missing == nil || string(missing[1]) != "0" || len(got) == 0 {
				t.Fatalf("turnutils_uclient %v: %v\n%s", args, err, out)
			}
			if n, _ := strconv.Atoi(string(got[len(got)-1][1])); n != 50 {
				t.Errorf("%d of 50 packets came back\n%s", n, out)
			}
		})
	}
	// With a wrong password the command reports it.
	out, err = exec.CommandContext(ctx, "turnutils_uclient", "-p", port, "-u", credentials.Username, "-w", "guess",
		"-e", "127.0.0.1", "-r", peerPort, "-n", "1", "-c", host).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Cannot complete Allocation") {
		t.Errorf("a wrong password: %v\n%s", err, out)
	}
}

// Browsers use the relay over each of its transports.
func TestRelayTransports(t *testing.T) {
	secure := freeAddr(t)
	s := startServer(t, "--tls", "--turn-addr", freeAddr(t), "--turn-tls-addr", secure)
	// The certificate is self-made.
	browser := startBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	app := application(t, s)
	for _, by := range []string{"udp", "tcp", "tls"} {
		t.Run(by, func(t *testing.T) {
			alice := device(t, browser, app, s, "alice-"+by, "?relay&by="+by)
			bob := device(t, browser, app, s, "bob-"+by, "?relay&by="+by)
			talk(t, alice, bob, 2)
			for _, p := range []*page{alice, bob} {
				p.seesAndHears(30)
				p.until("has its media relayed over "+by, fmt.Sprintf(`stats().then((s) => s.local === "relay" && s.remote === "relay" && s.by === %q)`, by))
			}
			hangUp(alice, bob)
		})
	}
	firefox := startFirefox(t, filepath.Join(s.data, "tls-cert.pem"))
	for _, by := range []string{"udp", "tcp", "tls"} {
		t.Run("Firefox, "+by, func(t *testing.T) {
			alice := device(t, browser, app, s, "carol-"+by, "?relay&by="+by)
			query := "?relay&by=" + by
			if by == "tls" { // It takes certificates for names alone.
				query += "&via=" + strings.Replace(secure, "127.0.0.1", "localhost", 1)
			}
			bob := inFirefox(t, firefox, app, s, "dave-"+by, query)
			talk(t, bob, alice, 2)
			for _, p := range []*page{alice, bob} {
				p.seesAndHears(30)
				p.until("has its media relayed over "+by, fmt.Sprintf(`stats().then((s) => s.local === "relay" && s.remote === "relay" && s.by === %q)`, by))
			}
			hangUp(bob, alice)
		})
	}
}

func TestICECommand(t *testing.T) {
	s := startServer(t)
	servers := s.iceServers("alice")
	if len(servers[0].URLs) != 1 || !strings.HasPrefix(servers[0].URLs[0], "stun:") || servers[1].Username == "" || servers[1].Credential == "" {
		t.Errorf("peal ice gave %+v", servers)
	}
	for _, args := range [][]string{
		{"--server", s.url()},
		{"--server", s.url(), "--token", "guess"},
		{"--server", "http://" + freeAddr(t), "--account", "alice"},
		{"--account", "alice"},
	} {
		out, err := exec.Command(binary, append([]string{"ice"}, args...)...).CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "peal: ") {
			t.Errorf("peal ice %v: %v, %s", args, err, out)
		}
	}
	token := s.token("alice")
	out, err := exec.Command(binary, "ice", "--server", s.url()+"/", "--token", token).Output()
	if err != nil || !strings.HasPrefix(string(out), `[{"urls":["stun:`) {
		t.Errorf("with a token: %v, %s", err, out)
	}
}
