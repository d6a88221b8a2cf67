package main

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// drained is a peal serve that stops with a relayed address left, over which datagrams go.
type drained struct {
	*process
	server  turnServer
	relayed net.PacketConn
	peer    net.PacketConn
}

// drains starts one, has it relay, and stops it by SIGTERM.
func drains(t *testing.T) *drained {
	t.Helper()
	t.Setenv("PEAL_SECRET", secret)
	p := serving(t, "http", "--turn-allow-peer", "127.0.0.0/8", "--turn-drain", "10m")
	alice, bob := connect(t, p.url), connect(t, p.url)
	for name, r := range map[string]*raw{"alice": alice, "bob": bob} {
		if s := r.ask("hello", map[string]any{"token": token(t, name, time.Hour), "deviceId": "d", "fresh": true}); s.Welcome == nil {
			t.Fatalf("not welcome: %+v", s.Error)
		}
	}
	d := &drained{process: p, server: relayOf(t, alice.invite(1, "bob"))}
	_, d.relayed = d.server.must(t)
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	d.peer = peer
	d.carries("before")
	d.signal(syscall.SIGTERM)
	d.signal(syscall.SIGTERM) // Sent twice at once: that is meant once.
	d.log.says(t, "server stopping")
	d.carries("during the drain")
	for _, r := range []*raw{alice, bob} {
		_ = r.socket.CloseNow() // As a client does that reconnects to another node.
	}
	d.log.says(t, `msg="server stopped but for its relay" allocations=1 limit=10m0s`)
	d.carries("after the drain")
	return d
}

// carries sends a datagram to the peer and one back.
func (d *drained) carries(text string) {
	d.t.Helper()
	for _, way := range []struct{ from, to net.PacketConn }{{d.relayed, d.peer}, {d.peer, d.relayed}} {
		if _, err := way.from.WriteTo([]byte(text), way.to.LocalAddr()); err != nil {
			d.t.Fatal(err)
		}
		if got := received(d.t, way.to, patience); got != text {
			d.t.Fatalf("got %q, want %q\n%s", got, text, d.log)
		}
	}
}

// stopped waits for the end of the process, which is orderly.
func (d *drained) stopped(reason string) {
	d.t.Helper()
	_ = d.cmd.Wait() // The exit code tells.
	log := d.log.String()
	if code := d.cmd.ProcessState.ExitCode(); code != exitOK {
		d.t.Errorf("exit code %d", code)
	}
	if !strings.Contains(log, `msg="relay stopping" reason="`+reason+`"`) || !strings.Contains(log, "server stopped\"\n") || strings.Contains(log, "level=WARN") {
		d.t.Errorf("the log says\n%s", log)
	}
}

// The relay of a server that has stopped carries what it carried, while HTTP is closed and nothing new
// is relayed. The process ends with the last relayed address.
func TestRelayAfterADrain(t *testing.T) {
	d := drains(t)
	if conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://")); err == nil {
		_ = conn.Close()
		t.Error("HTTP is open")
	}
	_, _, err := d.server.allocate(t)
	if refusal := new(stun.TurnError); !errors.As(err, &refusal) || refusal.ErrorCodeAttr.Code != stun.CodeInsufficientCapacity {
		t.Errorf("a new relayed address: %v", err)
	}
	d.carries("still")
	if err := d.relayed.Close(); err != nil {
		t.Fatal(err)
	}
	d.stopped("the last relayed address ended")
}

// A second signal, a second later or more, ends the wait for the relay.
func TestSecondSignalEndsTheRelay(t *testing.T) {
	d := drains(t)
	time.Sleep(secondSignal)
	d.signal(syscall.SIGINT)
	d.stopped("another signal came")
}
