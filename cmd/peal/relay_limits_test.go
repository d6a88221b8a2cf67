package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// turnServer is what a call tells its devices of the relay.
type turnServer struct {
	URLs                 []string
	Username, Credential string
}

// relayOf returns the relay of an update.
func relayOf(t *testing.T, s said) turnServer {
	t.Helper()
	for _, server := range s.Call.ICEServers {
		if server.Username != "" {
			return server
		}
	}
	t.Fatalf("no relay in %+v", s)
	return turnServer{}
}

func (s turnServer) addr(t *testing.T) string {
	t.Helper()
	addr, _, _ := strings.Cut(strings.TrimPrefix(s.URLs[0], "turn:"), "?")
	if _, _, err := net.SplitHostPort(addr); err != nil {
		t.Fatal(err)
	}
	return addr
}

// allocate takes a relayed address; a refusal of the relay is a stun.TurnError.
func (s turnServer) allocate(t *testing.T) (*turn.Client, net.PacketConn, error) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: s.addr(t), Username: s.Username, Password: s.Credential, Conn: conn,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := c.Allocate()
	if err == nil {
		t.Cleanup(func() { _ = relayed.Close() })
	}
	return c, relayed, err
}

func (s turnServer) must(t *testing.T) (*turn.Client, net.PacketConn) {
	t.Helper()
	c, relayed, err := s.allocate(t)
	if err != nil {
		t.Fatal(err)
	}
	return c, relayed
}

func received(t *testing.T, conn net.PacketConn, wait time.Duration) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1500)
	n, _, err := conn.ReadFrom(buffer)
	if err != nil {
		return ""
	}
	return string(buffer[:n])
}

// One person takes neither the relay nor other people's relayed media, in the program
// that is shipped, with its defaults.
func TestServeHoldsItsRelayLimits(t *testing.T) {
	t.Setenv("PEAL_SECRET", secret)
	p := serving(t, "http")
	login := func(account string) *raw {
		t.Helper()
		r := connect(t, p.url)
		if s := r.ask("hello", map[string]any{"token": token(t, account, time.Hour), "deviceId": "d", "fresh": true}); s.Welcome == nil {
			t.Fatalf("not welcome: %+v", s.Error)
		}
		return r
	}
	alice, bob := login("alice"), login("bob")
	ofAlice, ofBob := relayOf(t, alice.invite(1, "bob")), relayOf(t, bob.read())
	mallory, erin := login("mallory"), login("erin")
	ofMallory := relayOf(t, mallory.invite(2, "erin"))
	erin.read()

	t.Run("another call", func(t *testing.T) {
		atAlice, a := ofAlice.must(t)
		atBob, b := ofBob.must(t)
		atMallory, m := ofMallory.must(t)
		for _, permission := range []struct {
			client *turn.Client
			peer   net.PacketConn
		}{{atAlice, b}, {atAlice, m}, {atBob, a}, {atMallory, a}} {
			if err := permission.client.CreatePermission(permission.peer.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			if _, err := m.WriteTo([]byte("stranger"), a.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.WriteTo([]byte("callee"), a.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if got := received(t, a, patience); got != "callee" {
			t.Errorf("the caller gets %q first", got)
		}
		if got := received(t, a, 300*time.Millisecond); got != "" {
			t.Errorf("the caller gets %q too", got)
		}
	})
	t.Run("addresses of a device", func(t *testing.T) {
		held := 0
		for range 40 {
			_, _, err := ofMallory.allocate(t)
			if refusal := new(stun.TurnError); errors.As(err, &refusal) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			held++
		}
		if held == 0 || held > 12 {
			t.Errorf("a device holds %d more relayed addresses", held)
		}
		ofAlice.must(t)
	})
	t.Run("TCP connections of an address", func(t *testing.T) {
		ended := 0
		for range 60 {
			conn, err := net.Dial("tcp", ofAlice.addr(t))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(conn); !os.IsTimeout(err) {
				ended++
			}
		}
		if ended != 10 {
			t.Errorf("%d of 60 connections are closed, want 10", ended)
		}
	})
	if code := p.end(os.Interrupt); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.log)
	}
}

// The settings for privacy and for shared secrets hold in the program that is shipped.
func TestServeHoldsItsPrivacy(t *testing.T) {
	t.Setenv("PEAL_SECRET", secret)
	p := serving(t, "http", "--relay-only", "--token-audience", "calls")
	hello := func(account string, more ...string) (*raw, said) {
		r := connect(t, p.url)
		return r, r.ask("hello", map[string]any{"token": token(t, account, time.Hour, more...), "deviceId": "d", "fresh": true})
	}
	if _, s := hello("alice"); s.Error.Code != "bad_token" {
		t.Errorf("a token without the audience: %+v", s.Error)
	}
	alice, s := hello("alice", "--audience", "calls")
	if s.Welcome == nil {
		t.Fatalf("a token with the audience: %+v", s.Error)
	}
	bob, _ := hello("bob", "--audience", "calls")
	relay, _, err := net.SplitHostPort(relayOf(t, alice.invite(1, "bob")).addr(t))
	if err != nil {
		t.Fatal(err)
	}
	bob.read()
	send := func(text string) said {
		return alice.ask("candidates", map[string]any{
			"callId": "01900000-0000-7000-8000-000000000001", "generation": 1, "candidates": []any{map[string]any{"candidate": text}},
		})
	}
	for _, text := range []string{
		"candidate:1 1 udp 1 relay.example 9 typ relay raddr 0.0.0.0 rport 0",
		"candidate:1 1 udp 1 203.0.113.9 9 typ relay raddr 0.0.0.0 rport 0\r\na=ice-lite",
	} {
		if s := send(text); s.Error.Code == "" {
			t.Errorf("accepted: %q", text)
		}
	}
	for i, text := range []string{
		"candidate:1 1 udp 1 203.0.113.9 9 typ relay raddr 0.0.0.0 rport 0", "candidate:1 1 udp 2 203.0.113.9 9 typ host",
		fmt.Sprintf("candidate:1 1 udp 3 %s 9 typ relay raddr 203.0.113.9 rport 9", relay),
	} {
		if s := send(text); s.Error.Code != "" {
			t.Errorf("candidate %d: %+v", i, s.Error)
		}
	}
	for {
		s := bob.read()
		if len(s.Candidates.Candidates) == 0 {
			continue
		}
		got := s.Candidates.Candidates[0]
		if len(s.Candidates.Candidates) != 1 || !bytes.Contains(got, []byte(relay+" 9 typ relay")) || bytes.Contains(got, []byte("203.0.113")) {
			t.Errorf("the callee gets %s", s.Candidates.Candidates)
		}
		break
	}
	if code := p.end(os.Interrupt); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.log)
	}
}
