package server

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/relay"
)

// allocate takes relayed addresses with credentials of the server until it refuses.
func (b *bench) allocate(s *pealv1.IceServer, most int) (held int, code stun.ErrorCode) {
	b.t.Helper()
	for range most {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(func() { _ = conn.Close() })
		c, err := turn.NewClient(&turn.ClientConfig{
			TURNServerAddr: b.TURNAddr().String(), Username: s.Username, Password: s.Credential, Conn: conn,
		})
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(c.Close)
		if err := c.Listen(); err != nil {
			b.t.Fatal(err)
		}
		relayed, err := c.Allocate()
		var refusal *stun.TurnError
		switch {
		case errors.As(err, &refusal):
			return held, refusal.ErrorCodeAttr.Code
		case err != nil:
			b.t.Fatal(err)
		}
		b.t.Cleanup(func() { _ = relayed.Close() })
		held++
	}
	return held, 0
}

// One account that says hello under many device ids does not take the relay from the
// other side of the call.
func TestRelayForManyHellos(t *testing.T) {
	b := start(t, inMemory, func(c *Config) { c.Settings.TURN.Most = 48 })
	alice := b.login("alice", "a")
	var devices []*client
	for n := range 6 {
		devices = append(devices, b.login("bob", fmt.Sprint("device", n)))
	}
	mine := alice.invite(callID, "bob").GetCall().IceServers[1]
	held := 0
	for n, d := range devices {
		s := d.event().GetCall().IceServers[1]
		_, user, _ := strings.Cut(s.Username, ".")
		if want := b.relay.User(callID, "bob", fmt.Sprint("device", n)).String(); user != want || strings.Contains(user, "bob") {
			t.Errorf("the relay user is %q, want %q", user, want)
		}
		taken, _ := b.allocate(s, relay.AllocationsPerUser)
		held += taken
	}
	if held > 36 {
		t.Errorf("one account holds %d of 48 relayed addresses", held)
	}
	if n, code := b.allocate(mine, 1); n != 1 {
		t.Errorf("the other side gets none: code %d", code)
	}
}

// The relay knows from the store which calls are live.
func TestLiveCalls(t *testing.T) {
	for name, kept := range map[string]func(*Config){"memory": inMemory, "sqlite": func(*Config) {}} {
		t.Run(name, func(t *testing.T) {
			b := start(t, kept)
			alice := b.login("alice", "a")
			alice.invite(callID, "bob")
			ask := func() []string {
				t.Helper()
				live, err := b.liveCalls(t.Context(), []string{callID, "unknown"})
				if err != nil {
					t.Fatal(err)
				}
				return slices.Collect(maps.Keys(live))
			}
			if got := ask(); len(got) != 1 || got[0] != callID {
				t.Errorf("while it rings: %v are live", got)
			}
			alice.ask("hangup", map[string]any{"callId": callID})
			if got := ask(); len(got) != 0 {
				t.Errorf("after its end: %v are live", got)
			}
			b.stop()
			if name == "sqlite" {
				if live, err := b.liveCalls(t.Context(), []string{callID}); err == nil {
					t.Errorf("without a store: %v are live", live)
				}
			}
		})
	}
}

// Credentials for the relay follow from the secrets of tokens: they are good on every node, after
// a restart, and while the secret is replaced by another one.
func TestRelayOfAllNodes(t *testing.T) {
	const old = "old-old-old-old-old-old-old-old-"
	b := start(t, inMemory)
	mine := func(on *bench) *pealv1.IceServer { return on.serversFor("", "alice", "a", on.clock.now())[1] }
	former := mine(start(t, inMemory, func(c *Config) { c.Settings.Auth.Secret = old }))
	for name, other := range map[string]*bench{
		"another node":        start(t, inMemory),
		"before the rotation": start(t, inMemory, func(c *Config) { c.Settings.Auth.Keys = map[string]string{"new": old} }),
		"after the rotation": start(t, inMemory, func(c *Config) {
			c.Settings.Auth.Secret, c.Settings.Auth.KeyID, c.Settings.Auth.Keys = old, "new", map[string]string{"main": secret}
		}),
	} {
		if n, code := other.allocate(mine(b), 1); n != 1 {
			t.Errorf("%s: code %d", name, code)
		}
		if name == "another node" {
			continue
		}
		if n, code := other.allocate(former, 1); n != 1 {
			t.Errorf("%s: with the other secret: code %d", name, code)
		}
	}
	if n, code := b.allocate(former, 1); n != 0 || code != stun.CodeUnauthorized {
		t.Errorf("with a secret of nobody: %d, code %d", n, code)
	}

	settings := b.cfg.Settings
	settings.Auth.Secret = old
	before := mine(b)
	if err := b.Reload(&settings); err != nil {
		t.Fatal(err)
	}
	for name, credentials := range map[string]*pealv1.IceServer{"made before the reload": before, "of the new secret": former} {
		if n, code := b.allocate(credentials, 1); n != 1 {
			t.Errorf("%s: code %d", name, code)
		}
	}
	if now := mine(b); strings.Split(now.Username, ".")[0] == strings.Split(before.Username, ".")[0] {
		t.Error("the reload does not change the secret")
	}
}
