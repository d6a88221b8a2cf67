package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/internal/testing/natsserver"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// listedNode is a node as the server API lists it.
type listedNode struct {
	Node, Release, Address, Relay string
	Alive                         bool
}

func (p *process) nodes(key string) []listedNode {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/api/v1/nodes", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	var answer struct{ Nodes []listedNode }
	if err := json.NewDecoder(w.Body).Decode(&answer); err != nil || w.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %v", w.Status, err)
	}
	return answer.Nodes
}

// phone logs in at a node.
func (p *process) phone(account string) *steppedPhone {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*patience)
	p.t.Cleanup(cancel)
	text := token(p.t, account, time.Hour, "--secret", secret)
	c, err := client.New(client.Config{Server: p.url, Token: func(context.Context) (string, error) { return text, nil }})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(ctx); err != nil {
		p.t.Fatal(err)
	}
	phone := &steppedPhone{c, p.t, ctx}
	for phone.next() != client.Event(client.StateChanged{State: client.Online}) {
	}
	return phone
}

// Two processes that share a database and a bus are one service: a call between devices at both
// goes from its invitation to its record, both nodes list both, and a key that one made is good at
// the other. No log has a password.
func TestTwoProcesses(t *testing.T) {
	nats := natsserver.Start(t, "--user", "peal", "--pass", "letmein-nats")
	database := postgres.Shared(t).NewDatabase(t)
	flags := []string{
		"--store", database, "--bus", strings.Replace(nats.URL(), "nats://", "nats://peal:letmein-nats@", 1), "--drain", "1s", "--turn-allow-peer", "127.0.0.0/8", "--log-level", "debug",
	}
	data := t.TempDir()
	one, other := serving(t, "http", append(flags, "--data", data)...), serving(t, "http", flags...)
	for _, p := range []*process{one, other} {
		p.ready()
	}
	alice, bob := one.phone("alice"), other.phone("bob")
	out := alice.call("bob")
	in := wait[client.Incoming](bob).Call
	if err := in.Accept(bob.ctx, 1, "v=0\r\no=- 2 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=mid:0\r\n"); err != nil {
		t.Fatal(err)
	}
	for _, side := range []struct {
		phone *steppedPhone
		call  *client.Call
	}{{alice, out}, {bob, in}} {
		if err := side.call.ReportMedia(side.phone.ctx, 1, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Hangup(alice.ctx); err != nil {
		t.Fatal(err)
	}
	filed, same := wait[client.RecordFiled](alice).Record, wait[client.RecordFiled](bob).Record
	if filed.CallID != out.ID() || filed.Reason != "completed" || !filed.EndedAt.Equal(same.EndedAt) {
		t.Errorf("the records are %+v and %+v", filed, same)
	}

	code, key, complaint := peal("key", "new", "--data", data, "--name", "crm", "--scope", "admin,read")
	if code != exitOK {
		t.Fatal(complaint)
	}
	key = strings.TrimSpace(key)
	for begun := time.Now(); other.asks(key) != http.StatusOK; <-time.After(50 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatal("a key of one node opens nothing at the other")
		}
	}
	for _, p := range []*process{one, other} {
		known := map[string]bool{}
		for _, n := range p.nodes(key) {
			if known[n.Address] = n.Alive; n.Release == "" || n.Relay == "" {
				t.Errorf("a node is %+v", n)
			}
		}
		if len(known) != 2 || !known[one.url] || !known[other.url] {
			t.Errorf("%s lists %v", p.url, known)
		}
	}
	one.doctors(other, key)
	other.end(syscall.SIGTERM)
	for _, n := range one.nodes(key) {
		if n.Alive != (n.Address == one.url) {
			t.Errorf("after the other has stopped: %+v", n)
		}
	}
	_, who, _ := strings.Cut(database, "peal:")
	password, _, _ := strings.Cut(who, "@")
	for _, p := range []*process{one, other} {
		for _, secret := range []string{password, "letmein-nats"} {
			if strings.Contains(p.log.String(), secret) {
				t.Errorf("the log has a password:\n%s", p.log)
			}
		}
	}
}

// doctors has the doctor look at all nodes by the address of one.
func (p *process) doctors(other *process, key string) {
	p.t.Helper()
	p.t.Setenv("PEAL_TOKEN", token(p.t, "doctor", time.Hour, "--secret", secret))
	if code, _, complaint := peal("doctor", "--server", p.url, "--each"); code != exitUsage || !strings.Contains(complaint, "PEAL_API_KEY") {
		p.t.Errorf("without a key: %d %q", code, complaint)
	}
	p.t.Setenv("PEAL_API_KEY", key)
	_, out, complaint := peal("doctor", "--server", p.url, "--each")
	for _, url := range []string{p.url, other.url} {
		if strings.Count(out, ": "+url+", ") != 1 {
			p.t.Errorf("%s is not looked at:\n%s%s", url, out, complaint)
		}
	}
	for _, n := range p.nodes(key) {
		if !strings.Contains(out, n.Relay) {
			p.t.Errorf("the relay %s is not looked at:\n%s", n.Relay, out)
		}
	}
	if got := strings.Count(out, "ok           turn-udp "); got != 2 {
		p.t.Errorf("%d of 2 relays answer:\n%s%s", got, out, complaint)
	}
	_, out, complaint = peal("doctor", "--server", p.url, "--each", "--json")
	var answer struct {
		OK    *bool
		Nodes []struct {
			Node, Release, Server string
			Checks                []struct{ Check string }
		}
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.OK == nil || len(answer.Nodes) != 2 || len(answer.Nodes[1].Checks) < 8 {
		p.t.Errorf("in JSON: %v\n%s%s", err, out, complaint)
	}
}

// ready waits until a node takes devices.
func (p *process) ready() {
	p.t.Helper()
	for begun := time.Now(); ; <-time.After(20 * time.Millisecond) {
		if p.answer("", "/readyz").StatusCode == http.StatusOK {
			return
		}
		if time.Since(begun) > patience {
			p.t.Fatalf("does not become ready:\n%s", p.log)
		}
	}
}
