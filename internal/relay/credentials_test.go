package relay_test

import (
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/relay"
)

func TestServers(t *testing.T) {
	// The password was computed by another implementation of HMAC-SHA1.
	now := time.Unix(1_800_000_000, 999)
	r := start(t, func(c *relay.Config) { c.PublicHost = "turn.example.org" })
	port := netip.AddrPortFrom(netip.IPv4Unspecified(), r.Addr().Port()).String()[len("0.0.0.0"):]
	want := []relay.Server{
		{URLs: []string{"stun:turn.example.org" + port}},
		{
			URLs:       []string{"turn:turn.example.org" + port + "?transport=udp", "turn:turn.example.org" + port + "?transport=tcp"},
			Username:   "1800003600:call.device",
			Credential: "MWimYrCjA4J2vhcP3Tez70IXUvU=",
		},
	}
	if diff := cmp.Diff(want, r.Servers("call.device", now)); diff != "" {
		t.Error(diff)
	}
	bare := start(t, func(c *relay.Config) { c.CredentialTTL = time.Minute })
	got := bare.Servers("u", now)
	if want := "turn:" + bare.Addr().String() + "?transport=udp"; got[1].URLs[0] != want || got[1].Username != "1800000060:u" {
		t.Errorf("got %v and %s, want %s", got[1].URLs, got[1].Username, want)
	}
}

func TestRefusedCredentials(t *testing.T) {
	r := start(t, nil)
	good := r.Servers("u", time.Now())[1]
	old := r.Servers("u", time.Now().Add(-2*time.Hour))[1]
	nobody := r.Servers("", time.Now())[1]
	elsewhere := start(t, func(c *relay.Config) { c.Secret = []byte("the secret of another") }).Servers("u", time.Now())[1]
	for name, c := range map[string][2]string{
		"wrong password":   {good.Username, "guess"},
		"no password":      {good.Username, ""},
		"another's name":   {good.Username + "2", good.Credential},
		"a later expiry":   {"9999999999:u", good.Credential},
		"another's secret": {elsewhere.Username, elsewhere.Credential},
		"expired":          {old.Username, old.Credential},
		"no expiry":        {"u", good.Credential},
		"an empty user":    {nobody.Username, nobody.Credential},
		"a negative time":  {"-1:u", good.Credential},
		"a vast time":      {"99999999999999999999:u", good.Credential},
	} {
		_, err := connect(t, r, c[0], c[1]).Allocate()
		refused(t, name, err, stun.CodeUnauthorized)
	}
}

// TestExpiryDoesNotCut keeps a long call going on the credentials that began it.
func TestExpiryDoesNotCut(t *testing.T) {
	began := time.Now()
	var passed atomic.Int64
	r := start(t, func(c *relay.Config) {
		c.CredentialTTL = time.Minute
		c.Now = func() time.Time { return began.Add(time.Duration(passed.Load())) }
	})
	s := r.Servers("u", began)[1]
	c := connect(t, r, s.Username, s.Credential)
	relayed := c.allocate()

	passed.Store(int64(24 * time.Hour))
	if got := c.ask(stun.MethodRefresh); got != 0 {
		t.Errorf("a refresh after the expiry: got %d", got)
	}
	direct := listen(t)
	if err := c.CreatePermission(direct.LocalAddr()); err != nil {
		t.Errorf("a permission after the expiry: %v", err)
	}
	send(t, relayed, direct.LocalAddr(), "still there")
	expect(t, direct, relayed.LocalAddr(), "still there")

	_, err := connect(t, r, s.Username, s.Credential).Allocate()
	refused(t, "allocating after the expiry", err, stun.CodeUnauthorized)
}

// TestExpiryIsExact: the second that is named is over the time.
func TestExpiryIsExact(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	for after, want := range map[time.Duration]bool{time.Hour - time.Nanosecond: true, time.Hour: false} {
		r := start(t, func(c *relay.Config) { c.Now = func() time.Time { return at.Add(after) } })
		s := r.Servers("u", at)[1]
		conn, err := connect(t, r, s.Username, s.Credential).Allocate()
		if (err == nil) != want {
			t.Errorf("after %s: got %v", after, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// FuzzUsername: a name that is taken apart is made of what came out of it, and one
// that the relay makes itself comes apart again.
func FuzzUsername(f *testing.F) {
	for _, name := range []string{
		"1800003600:call.device", "1800003600:", ":u", "u", "", "-1:u", "+1:u", "0x10:u", "1_0:u", " 1:u", "1e9:u", "1::u:",
		"9223372036854775807:u", "9223372036854775808:u", "1800003600:\x00\xff",
	} {
		f.Add(name)
	}
	r := start(f, nil)
	f.Fuzz(func(t *testing.T, name string) {
		now := time.Unix(1_800_000_000, 0)
		expires, user, ok := relay.ParseUsername(name)
		if !ok {
			if user != "" || !expires.IsZero() {
				t.Fatalf("%q is refused, and is %s of %q", name, expires, user)
			}
		} else {
			stamp, isOf := strings.CutSuffix(name, ":"+user)
			seconds, err := strconv.ParseInt(stamp, 10, 64)
			if user == "" || !isOf || err != nil || expires.Unix() != seconds {
				t.Fatalf("%q is %s of %q", name, expires, user)
			}
			if expires.After(now) && seconds <= now.Unix() {
				t.Fatalf("%q runs out as late as %s", name, expires)
			}
		}
		made := r.Servers(name, now)[1].Username
		expires, user, ok = relay.ParseUsername(made)
		if ok != (name != "") || user != name || ok && !expires.Equal(now.Add(time.Hour)) {
			t.Fatalf("%q becomes %q, which is %s of %q", name, made, expires, user)
		}
	})
}
