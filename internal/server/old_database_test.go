package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

// killed is when the server that wrote testdata/old/peal-0.1.0.sqlite was killed.
var killed = time.Date(2026, 11, 30, 2, 7, 46, 0, time.UTC)

// atTime is a store whose clock stood at a time when it was opened. A server takes
// its time from its store, so the test decides how old the file is.
type atTime struct {
	store.Store
	at, opened time.Time
}

func (s atTime) Now(context.Context) (time.Time, error) { return s.at.Add(time.Since(s.opened)), nil }

// oldID is the n-th call in the file; see testdata/old/README.md.
func oldID(n string) string { return "019a0000-0000-7000-8000-0000000001" + n }

// old is a server over a copy of the file, a while after the kill.
type old struct {
	*bench
	clock atTime
	age   time.Duration
}

func startOld(t *testing.T, age time.Duration) *old {
	t.Helper()
	path := filepath.Join(t.TempDir(), "peal.db")
	file, err := os.ReadFile("testdata/old/peal-0.1.0.sqlite")
	if err == nil {
		err = os.WriteFile(path, file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	kept, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	clock := atTime{Store: kept, at: killed.Add(age), opened: time.Now()}
	return &old{start(t, func(c *Config) { c.Store, c.Settings.Keep = clock, 20*365*24*time.Hour }), clock, age}
}

// back is a device that was connected to the old server and connects again.
func (o *old) back(account, device string) (*client, []*pealv1.CallUpdate) {
	o.t.Helper()
	c := o.dial()
	w := c.ask("hello", map[string]any{"token": sign(o.t, secret, "main", account, time.Minute, time.Now()), "deviceId": device, "fresh": false}).GetWelcome()
	if w.GetAccount() != account {
		o.t.Fatalf("%s is not welcomed", account)
	}
	return c, w.GetCalls()
}

// records are the calls of an account that have a record, newest first.
func (c *client) records() (ids, reasons []string) {
	c.t.Helper()
	page := c.ask("listRecords", map[string]any{"limit": 100}).GetRecords()
	if page == nil || page.More {
		c.t.Fatalf("records: %v", page)
	}
	for _, r := range page.Records {
		ids = append(ids, strings.TrimPrefix(r.CallId, oldID("")))
		reasons = append(reasons, strings.TrimPrefix(r.Reason.String(), "REASON_"))
	}
	return ids, reasons
}

func wantRecords(t *testing.T, c *client, ids, reasons []string) {
	t.Helper()
	gotIDs, gotReasons := c.records()
	if diff := cmp.Diff([][]string{ids, reasons}, [][]string{gotIDs, gotReasons}); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// of finds a call in a welcome.
func of(t *testing.T, calls []*pealv1.CallUpdate, id string) *pealv1.CallUpdate {
	t.Helper()
	for _, u := range calls {
		if u.Call.CallId == id {
			return u
		}
	}
	t.Fatalf("the welcome does not tell of %s: %v", id, calls)
	return nil
}

// until waits for an event about a call.
func (c *client) until(id string, state pealv1.CallState) *pealv1.Call {
	c.t.Helper()
	for {
		if got := c.event().GetCall().GetCall(); got.GetCallId() == id && got.GetState() == state {
			return got
		}
	}
}

// goesOn holds that the call of the file that was on is still on, for both devices, and
// ends it. A device cannot come back while no server runs, so its grace begins with
// the first one that does, however old the file is (internal/call, step.gone).
func goesOn(t *testing.T, o *old) (alice, bob *client) {
	t.Helper()
	on := oldID("06")
	alice, hers := o.back("alice", "phone-a")
	bob, his := o.back("bob", "phone-b")
	for role, u := range map[pealv1.Role]*pealv1.CallUpdate{pealv1.Role_ROLE_CALLER: of(t, hers, on), pealv1.Role_ROLE_CALLEE: of(t, his, on)} {
		c := u.Call
		if c.State != pealv1.CallState_CALL_STATE_CONNECTED || c.Role != role || c.Generation != 1 || c.Type != pealv1.CallType_CALL_TYPE_VIDEO {
			t.Errorf("the call is %v", c)
		}
	}
	// It is a call still: what one side changes the other hears of.
	alice.ask("tracks", map[string]any{"callId": on, "tracks": map[string]any{"audio": true, "audioMuted": true, "video": true}})
	for {
		c := bob.until(on, pealv1.CallState_CALL_STATE_CONNECTED)
		if c.Caller.GetTracks().GetAudioMuted() {
			break
		}
	}
	ended := bob.ask("hangup", map[string]any{"callId": on}).GetCall().GetCall()
	if ended.GetReason() != pealv1.Reason_REASON_COMPLETED || ended.GetRecord() == nil {
		t.Errorf("hung up: %v", ended)
	}
	// It lasted from the acceptance on, the time without a server included.
	if d := time.Duration(ended.GetRecord().GetDurationS()) * time.Second; d < o.age || d > o.age+time.Minute {
		t.Errorf("it lasted %s, and the file is %s old", d, o.age)
	}
	if c := alice.until(on, pealv1.CallState_CALL_STATE_ENDED); c.Reason != pealv1.Reason_REASON_COMPLETED {
		t.Errorf("alice receives %v", c)
	}
	// The hang-up of the other side crosses it, and files no second record.
	alice.ask("hangup", map[string]any{"callId": on})
	wantRecords(t, alice, []string{"06", "04", "03", "02", "01"}, []string{"COMPLETED", "TIMEOUT", "REJECTED", "CANCELLED", "COMPLETED"})
	wantRecords(t, bob, []string{"06", "05", "03", "02", "01"}, []string{"COMPLETED", "BUSY", "REJECTED", "CANCELLED", "COMPLETED"})
	return alice, bob
}

// nobodyBusy holds that two of the four call the other two: no claim of the old file is left.
func nobodyBusy(t *testing.T, alice, bob, carol, dave *client) {
	t.Helper()
	for id, call := range map[string]struct {
		by, callee *client
		account    string
	}{oldID("08"): {dave, alice, "alice"}, oldID("09"): {carol, bob, "bob"}} {
		if c := call.by.invite(id, call.account).GetCall().GetCall(); c.GetState() != pealv1.CallState_CALL_STATE_RINGING {
			t.Errorf("calling %s: %v", call.account, c)
		}
		call.callee.until(id, pealv1.CallState_CALL_STATE_RINGING)
	}
}

// An upgrade: the server of 0.1.0 is gone, and today's is there a moment later. Its
// calls go on, the one that rings included.
func TestOldDatabase(t *testing.T) {
	o := startOld(t, 2*time.Second)
	rings := oldID("07")
	dave, calls := o.back("dave", "phone-d")
	if u := of(t, calls, rings); u.Call.State != pealv1.CallState_CALL_STATE_RINGING || u.Call.Role != pealv1.Role_ROLE_CALLEE || !strings.HasPrefix(u.Offer, "v=0") || u.Call.Attachment != `{"room":7}` {
		t.Errorf("for dave it rings as %v", u)
	}
	carol, calls := o.back("carol", "phone-c")
	if u := of(t, calls, rings); u.Call.State != pealv1.CallState_CALL_STATE_RINGING || u.Call.Role != pealv1.Role_ROLE_CALLER {
		t.Errorf("for carol it rings as %v", u)
	}
	dave.ask("accept", map[string]any{"callId": rings, "answer": describe("answer"), "generation": 1})
	carol.until(rings, pealv1.CallState_CALL_STATE_CONNECTING)
	carol.ask("hangup", map[string]any{"callId": rings})
	if c := dave.until(rings, pealv1.CallState_CALL_STATE_ENDED); c.Reason != pealv1.Reason_REASON_COMPLETED {
		t.Errorf("dave receives %v", c)
	}
	wantRecords(t, carol, []string{"07", "05", "04"}, []string{"COMPLETED", "BUSY", "TIMEOUT"})
	alice, bob := goesOn(t, o)
	nobodyBusy(t, alice, bob, carol, dave)
	// Calls and records of that time have no names, also where the token has one now.
	named := o.dial()
	token := signText(fmt.Sprintf(`{"sub":"alice","exp":%d,"name":"Alice"}`, time.Now().Add(time.Minute).Unix()))
	named.ask("hello", map[string]any{"token": token, "deviceId": "another", "fresh": true})
	list := named.filed()
	if len(list) != 5 {
		t.Errorf("alice has %d records, want 5", len(list))
	}
	for _, r := range list {
		wantFaces(t, r.CallId, faces(r.GetParties()), auth.Card{}, auth.Card{})
	}
}

// A backup that is months old. What rang then has timed out, which the server finds by
// the deadline in the file before anybody asks; the call that was on ends by the grace of
// its devices, and they are there in time.
func TestMuchOlderDatabase(t *testing.T) {
	o := startOld(t, 200*24*time.Hour)
	alice, bob := goesOn(t, o)
	rang := oldID("07")
	timedOut := func(account, device string) *client {
		c, calls := o.back(account, device)
		u := of(t, calls, rang)
		if u.Call.State == pealv1.CallState_CALL_STATE_RINGING { // The hello was faster than the first look for what is due.
			u = &pealv1.CallUpdate{Call: c.until(rang, pealv1.CallState_CALL_STATE_ENDED)}
		}
		if u.Call.State != pealv1.CallState_CALL_STATE_ENDED || u.Call.Reason != pealv1.Reason_REASON_TIMEOUT {
			t.Errorf("%s receives %v", account, u.Call)
		}
		return c
	}
	carol, dave := timedOut("carol", "phone-c"), timedOut("dave", "phone-d")
	wantRecords(t, carol, []string{"07", "05", "04"}, []string{"TIMEOUT", "BUSY", "TIMEOUT"})
	wantRecords(t, dave, []string{"07"}, []string{"TIMEOUT"})
	nobodyBusy(t, alice, bob, carol, dave)
}
