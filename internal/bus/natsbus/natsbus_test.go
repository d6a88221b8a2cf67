package natsbus_test

import (
	"testing"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/bus/bustest"
	"github.com/peal-rtc/peal/internal/bus/natsbus"
	"github.com/peal-rtc/peal/internal/testing/balancer"
	"github.com/peal-rtc/peal/internal/testing/natsserver"
)

// open makes a bus that is closed with the test.
func open(t *testing.T, url string) *natsbus.Bus {
	t.Helper()
	b, err := natsbus.Open(t.Context(), natsbus.Config{URL: url, Cluster: "test"})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func TestNATS(t *testing.T) {
	server := natsserver.Start(t)
	bustest.Run(t, func(t *testing.T) bus.Bus { return open(t, server.URL()) })
}

// TestPartition takes the network from one of two nodes: all of it, or one direction.
func TestPartition(t *testing.T) {
	for _, way := range []struct {
		name               string
		toServer, toClient bool
	}{{"all", true, true}, {"to NATS", true, false}, {"from NATS", false, true}} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			server := natsserver.Start(t)
			wire, err := balancer.Listen("127.0.0.1:0", server.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = wire.Close() })
			far := open(t, "nats://"+wire.Addr())
			bustest.RunNetwork(t, bustest.Network{
				Near: open(t, server.URL()), Far: far, Connected: far.State,
				Cut: func() { wire.Hold(way.toServer, way.toClient) }, Mend: wire.Release,
			})
		})
	}
}

// TestServerKilled: NATS dies and is started again.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	server := natsserver.Start(t)
	far := open(t, server.URL())
	bustest.RunNetwork(t, bustest.Network{
		Near: open(t, server.URL()), Far: far, Connected: far.State, Whole: true,
		Cut: server.Kill9, Mend: server.Restart,
	})
	if far.Lost() == 0 {
		t.Error("what could not be sent is not counted")
	}
}

// TestServerComesLate: a node joins before NATS is there, and is a member once it is.
func TestServerComesLate(t *testing.T) {
	t.Parallel()
	server := natsserver.Start(t)
	server.Kill9()
	b := open(t, server.URL())
	missed, ready := make(chan struct{}, 10), make(chan struct{})
	heard := make(chan bus.Message, 1)
	m, err := b.Join(func(m bus.Message) { heard <- m }, func() { missed <- struct{}{} })
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	m.Subscribe("alice", func() { close(ready) })
	m.Publish(bus.Message{Account: "alice", LoggedOut: true})
	if b.State() {
		t.Error("connected without a server")
	}
	server.Restart()
	<-ready
	<-missed
	if !b.State() {
		t.Error("not connected")
	}
	other, err := b.Join(func(bus.Message) {}, nil)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	other.Publish(bus.Message{Account: "alice", Device: "a", LoggedOut: true})
	if got := <-heard; got.Device != "a" {
		t.Errorf("heard %v", got)
	}
}
