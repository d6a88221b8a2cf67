package relay_test

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/relay"
)

func TestServers(t *testing.T) {
	// The tag, the account and the password were computed by openssl.
	now := time.Unix(1_800_000_000, 999)
	r := start(t, func(c *relay.Config) { c.PublicHost = "turn.example.org" })
	port := netip.AddrPortFrom(netip.IPv4Unspecified(), r.Addr().Port()).String()[len("0.0.0.0"):]
	want := []relay.Server{
		{URLs: []string{"stun:turn.example.org" + port}},
		{
			URLs:       []string{"turn:turn.example.org" + port + "?transport=udp", "turn:turn.example.org" + port + "?transport=tcp"},
			Username:   "1800003600:6wL6.call.qQ_dRuFxFrVrFIEd.device",
			Credential: "ir/EoBvC4m3qq/Rb+96+GvHZui0=",
		},
	}
	if diff := gocmp.Diff(want, r.Servers(named(r, "call.device"), now)); diff != "" {
		t.Error(diff)
	}
	bare := start(t, func(c *relay.Config) { c.CredentialTTL = time.Minute })
	got := bare.Servers(bare.User("", "alice", "u"), now)
	if want := "turn:" + bare.Addr().String() + "?transport=udp"; got[1].URLs[0] != want || !strings.HasPrefix(got[1].Username, "1800000060:6wL6..") {
		t.Errorf("got %v and %s, want %s", got[1].URLs, got[1].Username, want)
	}
}

func TestRefusedCredentials(t *testing.T) {
	r := start(t, nil)
	good := r.Servers(named(r, "u"), time.Now())[1]
	old := r.Servers(named(r, "u"), time.Now().Add(-2*time.Hour))[1]
	nobody := r.Servers(relay.User{}, time.Now())[1]
	other := start(t, func(c *relay.Config) { c.Secrets = [][]byte{[]byte("the secret of another")} })
	elsewhere := other.Servers(named(other, "u"), time.Now())[1]
	user := named(r, "u").String()
	for name, c := range map[string][2]string{
		"wrong password":   {good.Username, "guess"},
		"no password":      {good.Username, ""},
		"another's name":   {good.Username + "2", good.Credential},
		"a later expiry":   {"9999999999:" + user, good.Credential},
		"another's secret": {elsewhere.Username, elsewhere.Credential},
		"expired":          {old.Username, old.Credential},
		"no expiry":        {user, good.Credential},
		"another's tag":    {strings.Replace(good.Username, ":", ":-", 1), good.Credential},
		"an empty user":    {nobody.Username, nobody.Credential},
		"a negative time":  {"-1:" + user, good.Credential},
		"a vast time":      {"99999999999999999999:" + user, good.Credential},
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
	s := r.Servers(named(r, "u"), began)[1]
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
		s := r.Servers(named(r, "u"), at)[1]
		conn, err := connect(t, r, s.Username, s.Credential).Allocate()
		if (err == nil) != want {
			t.Errorf("after %s: got %v", after, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// FuzzUsername: a name that is taken apart is the one that its parts make, and one that
// the relay makes of a call, an account and a device comes apart again.
func FuzzUsername(f *testing.F) {
	const tag, account = "-ag_.", "AAAAAAAAAAAAAAA_"
	for _, name := range []string{
		"1800003600:" + tag + "call." + account + ".device", "1800003600:" + tag + "." + account + ".ice0",
		"1800003600:" + tag + "call." + account + ".d.e-v_1", "", ":", "1:call." + account + ".d", "1:tagged.c." + account + ".d", "1:+ag_.c." + account + ".d",
		"-1:" + tag + "c." + account + ".d", "+1:" + tag + "c." + account + ".d", "01:" + tag + "c." + account + ".d", " 1:" + tag + "c." + account + ".d",
		"1::" + tag + "c." + account + ".d", "1:" + tag + "c." + account + ".", "1:" + tag + "c." + account, "1:" + tag + "c.short.d",
		"1:" + tag + "c." + account + ".d:e", "1:" + tag + "c." + account + ".\x00", "1:" + tag + "c_." + account + ".d",
		"9223372036854775807:" + tag + "c." + account + ".d", "9223372036854775808:" + tag + "c." + account + ".d",
		"1:" + tag + "c." + account + "." + strings.Repeat("d", 65), "1:" + tag + strings.Repeat("c", 65) + "." + account + ".d",
	} {
		f.Add(name)
	}
	r := start(f, nil)
	f.Fuzz(func(t *testing.T, name string) {
		expires, tag, user, ok := relay.ParseUsername(name)
		switch {
		case !ok && (user != relay.User{} || !expires.IsZero() || tag != ""):
			t.Fatalf("%q is refused, and is %s of %v", name, expires, user)
		case ok && strconv.FormatInt(expires.Unix(), 10)+":"+tag+"."+user.String() != name:
			t.Fatalf("%q is %s of %v", name, expires, user)
		case ok && (user.Device == "" || len(user.Account) != len(account)):
			t.Fatalf("%q is a user without a part: %v", name, user)
		}
		now := time.Unix(1_800_000_000, 0)
		want := r.User(user.Call, name, cmp.Or(user.Device, "device"))
		made := r.Servers(want, now)[1].Username
		expires, _, got, ok := relay.ParseUsername(made)
		if !ok || got != want || !expires.Equal(now.Add(time.Hour)) {
			t.Fatalf("%v becomes %q, which is %s of %v", want, made, expires, got)
		}
	})
}
