package started_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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

// calls holds that an account can be called through a node, with media by the relays alone.
func (c *cluster) calls(t *testing.T, node, account string) {
	t.Helper()
	out := do(t, c.phone(t, "alice", "http://"+node, "call", account, "--for", "1s", "--ring-timeout", "20s"))
	if !strings.Contains(out, "relay") {
		t.Errorf("not by the relay:\n%s", out)
	}
}

// TestComposeRuns: the parts of the compose file work together. Two people on different nodes call
// each other, by the relays of both nodes; they do so after the standby took over; and a node that
// stops sends its devices to the other one, and nobody new comes to it.
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
}

// ask asks the database as its owner.
func (c *cluster) ask(t *testing.T, address, question string) string {
	t.Helper()
	psql := c.asPostgres(os.Environ(), "psql", "-h", c.folder, "-p", c.port(address), "-U", "postgres", "-d", "peal", "-Atc", question)
	return strings.TrimSpace(do(t, psql))
}
