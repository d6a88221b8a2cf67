package started_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certificate makes one of 127.0.0.1, and its key.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// status is how a server answers.
func status(url string) int {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, // Ours, a moment old.
	}}
	answer, err := client.Get(url)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// phone is a command of peal for an account.
func (c *cluster) phone(t *testing.T, account, server string, args ...string) *exec.Cmd {
	t.Helper()
	token := exec.Command(c.binary, "token", "--account", account)
	token.Env = c.env(t, "node-a", nil)
	out, err := token.Output()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(c.binary, append(args, "--server", server, "--relay-only")...)
	command.Env = append(os.Environ(), "PEAL_TOKEN="+strings.TrimSpace(string(out)))
	return command
}

// calls holds that an account can be called through a node, with media by the relays of both nodes.
func (c *cluster) calls(t *testing.T, node, account string) {
	t.Helper()
	before := c.relayed(t)
	do(t, c.phone(t, "alice", "http://"+node, "call", account, "--for", "1s", "--ring-timeout", "20s"))
	for service, packets := range c.relayed(t) {
		if packets-before[service] < 20 {
			t.Errorf("the relay of %s passed %v packets", service, packets-before[service])
		}
	}
}

// relayed is how many packets the relay of each node has passed on.
func (c *cluster) relayed(t *testing.T) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for service := range c.nodes {
		answer, err := http.Get("http://" + c.at(*c.project.Services[service].Environment["PEAL_METRICS_ADDR"]) + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		all[service] = 0
		for _, series := range regexp.MustCompile(`(?m)^peal_relay_packets_total\{.*\} (.*)$`).FindAllStringSubmatch(string(text), -1) {
			n, err := strconv.ParseFloat(series[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			all[service] += n
		}
	}
	return all
}

// TestComposeRuns: the parts of the compose file work together. Two people on different nodes call
// each other, by the relays of both nodes; they do so after the standby took over; nobody comes to
// a node that stopped; and a call goes on when a node is killed.
func TestComposeRuns(t *testing.T) {
	c := prepare(t)
	c.startPrimary(t)
	c.startStandby(t)
	c.startNATS(t)
	c.startNode(t, "node-a")
	c.startNode(t, "node-b")
	front := "127.0.0.1:" + freePort(t)
	c.startBalancer(t, front)
	a, b := c.ports["127.0.0.1:7331"], c.ports["127.0.0.1:7332"]
	for _, url := range []string{"http://" + a, "http://" + b, "https://" + front} {
		eventually(t, url+" is ready", func() bool { return status(url+"/readyz") == http.StatusOK })
	}
	if got := c.ask(t, "127.0.0.1:5432", "SELECT sync_state FROM pg_stat_replication"); got != "sync" {
		t.Fatalf("the standby is %q", got)
	}
	// As docs/run/cluster.md has it.
	if got := c.ask(t, "127.0.0.1:5432", "SELECT count(*) BETWEEN 2 AND 16 FROM pg_stat_activity WHERE usename = 'peal'"); got != "t" {
		t.Errorf("two nodes have another number of connections")
	}
	onA := launch(t, syscall.SIGINT, c.phone(t, "echo", "http://"+a, "echo"))
	eventually(t, "echo is logged in", func() bool { return strings.Contains(c.nodes["node-a"].out.String(), "account=echo") })
	c.calls(t, b, "echo")

	c.primary.stop(syscall.SIGKILL)
	promote := c.asPostgres(os.Environ(), "pg_ctl", "promote", "-D", filepath.Join(c.folder, "standby"))
	do(t, promote)
	eventually(t, "both nodes are ready again", func() bool {
		return status("http://"+a+"/readyz") == http.StatusOK && status("http://"+b+"/readyz") == http.StatusOK
	})
	c.calls(t, b, "echo")

	c.nodes["node-a"].stop(syscall.SIGTERM)
	if err := c.nodes["node-a"].err; err != nil {
		t.Errorf("node-a ended with %v", err)
	}
	onA.stop(syscall.SIGINT)
	for range 10 {
		if got := status("https://" + front + "/readyz"); got != http.StatusOK {
			t.Fatalf("the balancer sends people to a node that is gone: %d", got)
		}
	}
	c.startNode(t, "node-a")
	eventually(t, "node-a is ready again", func() bool { return status("http://"+a+"/readyz") == http.StatusOK })
	c.survives(t, front)
	for service, node := range c.nodes {
		if strings.Contains(node.out.String(), "the bus refuses") {
			t.Errorf("NATS does not let %s do what it has to", service)
		}
	}
}

// survives holds that a call between two people who came by the balancer goes on when a node dies:
// the devices come to the other node, and media by its relay.
func (c *cluster) survives(t *testing.T, front string) {
	t.Helper()
	phone := func(account string, args ...string) *process {
		command := c.phone(t, account, "https://"+front, args...)
		command.Env = append(command.Env, "SSL_CERT_FILE="+c.certificate)
		return launch(t, syscall.SIGINT, command)
	}
	said := func(text string) (service string) {
		eventually(t, text, func() bool {
			for name, node := range c.nodes {
				if strings.Contains(node.out.String(), text) {
					service = name
				}
			}
			return service != ""
		})
		return service
	}
	phone("bob", "echo")
	dies := said("account=bob ")
	call := phone("carol", "call", "bob", "--for", "20s")
	said("caller=carol callee=bob caller_path=")
	c.nodes[dies].stop(syscall.SIGKILL)
	delete(c.nodes, dies)
	before := c.relayed(t)
	select {
	case <-call.ended:
	case <-time.After(2 * patience):
		t.Fatal("the call does not end")
	}
	if call.err != nil {
		t.Errorf("the call ended with %v", call.err)
	}
	for service, packets := range c.relayed(t) {
		if packets-before[service] < 200 {
			t.Errorf("the relay of %s passed %v packets", service, packets-before[service])
		}
	}
}

// ask asks the database as its owner.
func (c *cluster) ask(t *testing.T, address, question string) string {
	t.Helper()
	psql := c.asPostgres(os.Environ(), "psql", "-h", c.folder, "-p", c.port(address), "-U", "postgres", "-d", "peal", "-Atc", question)
	return strings.TrimSpace(do(t, psql))
}
