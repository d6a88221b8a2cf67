package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// signText signs claims as they stand. A signer of Peal would refuse those that are not valid.
func signText(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(`{"alg":"HS256","kid":"main"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return token + "." + encode(mac.Sum(nil))
}

// shownAs is a token of an account with a name, a picture or both.
func shownAs(account, name, avatar string) string {
	return signText(fmt.Sprintf(`{"sub":%q,"exp":%d,"name":%q,"avatar":%q}`, account, time.Now().Add(time.Minute).Unix(), name, avatar))
}

func (b *bench) loginAs(account, device, name, avatar string) *client {
	b.t.Helper()
	c := b.dial()
	if f := c.ask("hello", map[string]any{"token": shownAs(account, name, avatar), "deviceId": device, "fresh": true}); f.GetWelcome() == nil {
		b.t.Fatalf("hello of %s: %v", account, f)
	}
	return c
}

func (c *client) filed() []*pealv1.Record {
	c.t.Helper()
	return c.ask("listRecords", map[string]any{}).GetRecords().GetRecords()
}

// faces are the names and pictures of a list of parties.
func faces[P interface {
	GetName() string
	GetAvatar() string
}](parties []P) (list []auth.Card) {
	for _, p := range parties {
		list = append(list, auth.Card{Name: p.GetName(), Avatar: p.GetAvatar()})
	}
	return list
}

func wantFaces(t *testing.T, what string, got []auth.Card, want ...auth.Card) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// Names and pictures come with the invitation, the snapshots and the record, and outlive
// the server.
func TestCards(t *testing.T) {
	b := start(t)
	alice := auth.Card{Name: "Alice <b>Example</b>", Avatar: "https://example.com/" + strings.Repeat("a", 492)}
	bob := auth.Card{Name: "小明"}
	a, d := b.loginAs("alice", "a", alice.Name, alice.Avatar), b.loginAs("bob", "b", bob.Name, bob.Avatar)
	invited := a.invite(callID, "bob").GetCall().GetCall()
	wantFaces(t, "the answer to the invitation", faces(invited.GetParties()), alice, auth.Card{})
	rings := d.event().GetCall().GetCall()
	wantFaces(t, "the invitation", faces(rings.GetParties()), alice, auth.Card{})
	accepted := d.ask("accept", map[string]any{"callId": callID, "answer": describe("answer"), "generation": 1}).GetCall().GetCall()
	wantFaces(t, "the acceptance", faces(accepted.GetParties()), alice, bob)
	a.leave()
	d.leave()
	b.stop()
	b.run()

	// The tokens of the next login say something else: the call keeps what it has.
	later := b.dial()
	calls := later.ask("hello", map[string]any{"token": shownAs("alice", "Alice Other", ""), "deviceId": "a"}).GetWelcome().GetCalls()
	if len(calls) != 1 {
		t.Fatalf("after the restart: %v", calls)
	}
	wantFaces(t, "after a restart", faces(calls[0].GetCall().GetParties()), alice, bob)
	ended := later.ask("hangup", map[string]any{"callId": callID}).GetCall().GetCall()
	wantFaces(t, "the filed record", faces(ended.GetRecord().GetParties()), alice, bob)
	list := later.filed()
	if len(list) != 1 {
		t.Fatalf("records: %v", list)
	}
	wantFaces(t, "the listed record", faces(list[0].GetParties()), alice, bob)
}

// The largest welcome and page of records reach a client: names and pictures of the longest
// make them larger than any message to the server may be.
func TestLongestCards(t *testing.T) {
	b := start(t, inMemory, func(c *Config) {
		c.Settings.Limits.InvitesPerMin, c.Settings.Limits.PairPerMin, c.Settings.Limits.RingsPerMin = 1000, 1000, 1000
		c.Settings.Limits.MessageBurst = 1000
	})
	long := auth.Card{Name: strings.Repeat("n", auth.NameBytes), Avatar: "https://example.com/" + strings.Repeat("a", 492)}
	a, d := b.loginAs("alice", "a", long.Name, long.Avatar), b.loginAs("bob", "b", long.Name, long.Avatar)
	const calls = 50
	for n := range calls {
		a.invite(numbered(n), "bob")
		d.ask("accept", map[string]any{"callId": numbered(n), "answer": describe("answer"), "generation": 1})
		a.ask("hangup", map[string]any{"callId": numbered(n)})
	}
	if list := a.filed(); len(list) != calls {
		t.Errorf("%d records, want %d", len(list), calls)
	}
	again := b.dial()
	w := again.ask("hello", map[string]any{"token": b.token("bob"), "deviceId": "c", "fresh": true}).GetWelcome()
	if len(w.GetCalls()) < 32 {
		t.Errorf("the welcome tells of %d calls", len(w.GetCalls()))
	}
	for _, u := range w.GetCalls() {
		wantFaces(t, "an ended call", faces(u.GetCall().GetParties()), long, long)
	}
}
