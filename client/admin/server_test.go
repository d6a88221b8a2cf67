package admin_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	sdk "github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/admin"
	"github.com/peal-rtc/peal/client/internal/program"
)

func TestMain(m *testing.M) { program.Main(m) }

const patience = 10 * time.Second

// bench is a server with a key, and a client of its API.
type bench struct {
	*program.Server
	t   *testing.T
	api *admin.Client
}

func start(t *testing.T) *bench {
	t.Helper()
	s := program.Start(t, "PEAL_API_KEYS=crm="+secret)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := admin.New(admin.Config{URL: s.URL(), Key: "peal_sk_crm_" + secret, HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{s, t, c}
}

// ring has one account call another, and gives the id of the call.
func (b *bench) ring(from, to string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	phone := b.login(ctx, from)
	c, err := phone.Call(ctx, to, sdk.CallOptions{Type: sdk.Video, Offer: offer})
	if err != nil {
		b.t.Fatal(err)
	}
	return c.ID()
}

func (b *bench) login(ctx context.Context, account string) *sdk.Client {
	b.t.Helper()
	c, err := sdk.New(sdk.Config{Server: b.URL(), Token: b.NamedToken(account, account+" Example", "")})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(ctx); err != nil {
		b.t.Fatal(err)
	}
	return c
}

const offer = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

// TestServer lists live calls, ends one, and reads its record, on a real server.
func TestServer(t *testing.T) {
	b := start(t)
	ctx := t.Context()
	id := b.ring("alice", "bob")
	other := b.ring("carol", "dave")
	live := map[string]admin.Call{}
	for c, err := range b.api.Calls(ctx, admin.CallFilter{Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		live[c.ID] = c
	}
	if c := live[id]; len(live) != 2 || c.State != admin.Ringing || c.Type != admin.Video || c.Parties[0] != (admin.Party{
		Account: "alice", Role: admin.Caller, Name: "alice Example", Device: c.Parties[0].Device, Present: true,
	}) || c.Parties[1].Account != "bob" || c.CreatedAt.IsZero() || !c.EndedAt.IsZero() || c.Record != nil {
		t.Errorf("live are %+v", live)
	}
	for c, err := range b.api.Calls(ctx, admin.CallFilter{Account: "dave"}) {
		if err != nil || c.ID != other {
			t.Errorf("dave has %v, %v", c, err)
		}
	}
	ended, err := b.api.EndCall(ctx, id)
	if err != nil || ended.State != admin.Ended || ended.Reason != admin.ReasonServer || ended.Record == nil || ended.Record.Kind != admin.KindCancelled {
		t.Fatalf("ended as %+v, %v", ended, err)
	}
	if again, err := b.api.EndCall(ctx, id); err != nil || again.EndedAt != ended.EndedAt || again.Rev != ended.Rev {
		t.Errorf("repeated, it ended as %+v, %v", again, err)
	}
	if one, err := b.api.Call(ctx, id); err != nil || one.Rev != ended.Rev {
		t.Errorf("got %+v, %v", one, err)
	}
	found := 0
	for r, err := range b.api.Records(ctx, admin.RecordFilter{Account: "bob"}) {
		if found++; err != nil || r.CallID != id || r.Reason != admin.ReasonServer || r.Seconds != 0 || !r.EndedAt.Equal(ended.EndedAt) {
			t.Errorf("the record is %+v, %v", r, err)
		}
	}
	if found != 1 {
		t.Errorf("bob has %d records", found)
	}
}

// TestServerRefuses: errors of a real server are typed.
func TestServerRefuses(t *testing.T) {
	b := start(t)
	for name, x := range map[string]struct {
		ask    func() error
		code   admin.Code
		status int
	}{
		"no call":    {func() error { _, err := b.api.Call(t.Context(), aCall); return err }, admin.NoSuchCall, 404},
		"no id":      {func() error { _, err := b.api.EndCall(t.Context(), "7"); return err }, admin.BadRequest, 400},
		"a path":     {func() error { _, err := b.api.EndCall(t.Context(), "../records?a=b"); return err }, admin.BadRequest, 400},
		"no account": {func() error { return first(b.api.Records(t.Context(), admin.RecordFilter{})) }, admin.BadRequest, 400},
		"a page":     {func() error { return first(b.api.Calls(t.Context(), admin.CallFilter{Limit: 501})) }, admin.BadRequest, 400},
		"a wrong key": {func() error {
			c, err := admin.New(admin.Config{URL: b.URL(), Key: "peal_sk_nobody_" + secret, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
			if err != nil {
				return err
			}
			_, err = c.Call(t.Context(), aCall)
			return err
		}, admin.InvalidKey, 401},
	} {
		var e *admin.Error
		if err := x.ask(); !errors.As(err, &e) || e.Code != x.code || e.Status != x.status || e.Detail == "" || e.RequestID == "" || e.Retry {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// first is the error that a list begins with.
func first[T any](list func(func(T, error) bool)) error {
	for _, err := range list {
		return err
	}
	return nil
}
