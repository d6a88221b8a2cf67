package main

import (
	"strings"
	"testing"
)

// The flags of several nodes have places in the environment and in the file, and what holds a
// password is not shown where it is refused.
func TestClusterSettings(t *testing.T) {
	const (
		database = "postgres://peal:letmein@db.example.com/peal"
		nats     = "nats://peal:letmein@nats.example.com"
	)
	check := func(t *testing.T, says string, flags ...string) {
		t.Helper()
		got := serveWith(t, append([]string{"--secret", secret}, flags...)...)
		if !strings.Contains(got, says) || strings.Contains(got, "letmein") {
			t.Errorf("%v: got %q, want %q", flags, got, says)
		}
	}
	check(t, "store is given and bus is not", "--store", database)
	check(t, "bus is given and store is not", "--bus", nats)
	check(t, `store has the scheme "mysql"`, "--store", "mysql://peal:letmein@db/peal", "--bus", nats)
	check(t, `bus has the scheme "redis"`, "--store", database, "--bus", "redis://:letmein@redis")
	check(t, `cluster is "Peal"`, "--cluster", "Peal")
	check(t, "advertise is not", "--advertise", "node1")
	check(t, "drain is 1ms: give 1s or more, or 0s for none", "--drain", "1ms")
	check(t, "store is given and bus is not", "--config", write(t, `{"store": "`+database+`"}`))
	check(t, `cluster is "Peal"`, "--config", write(t, `{"cluster": "Peal", "drain": "0s", "advertise": "http://10.0.0.1:7326"}`))
	t.Setenv("PEAL_STORE", database)
	check(t, "store is given and bus is not")
	t.Setenv("PEAL_STORE", "")
	t.Setenv("PEAL_BUS", nats)
	check(t, "bus is given and store is not")

	if code, _, complaint := peal("dev", "--data", t.TempDir(), "--store", database); code != exitUsage || strings.Contains(complaint, "letmein") {
		t.Errorf("peal dev: %d %q", code, complaint)
	}
}
