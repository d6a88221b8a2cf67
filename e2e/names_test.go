package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shownParty is one party of a call or of a record, as the typed core gives it.
type shownParty struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Name    string `json:"name"`
	Avatar  string `json:"avatar"`
}

// What the tokens say of a person reaches the other person's page with the invitation, both
// pages with the call, and the records. A name is text, whatever is in it.
func TestNames(t *testing.T) {
	const markup, avatar = `Alice <img src=x onerror="failures.push('a name is HTML')">`, "https://example.com/alice.png"
	s := startServer(t)
	browser, app := startBrowser(t), application(t, s)
	alice := deviceWith(t, browser, app, s, "alice", s.namedToken("alice", markup, avatar), "")
	bob := deviceWith(t, browser, app, s, "bob", s.namedToken("bob", "小明", ""), "")

	alice.calls("bob", 1)
	type names struct {
		Name   string `json:"invitorName"`
		Avatar string `json:"invitorAvatar"`
	}
	if got := arg[names](t, bob.expect("onInvited")[0]); got != (names{markup, avatar}) {
		t.Errorf("onInvited gave %+v", got)
	}
	members := func(p *page) map[string]string {
		t.Helper()
		found, err := evaluate[map[string]string](p, `rtc.getRoomInfo().then((room) =>
			Object.fromEntries(room.members.map((m) => [m.account, (m.name ?? "") + " " + (m.avatar ?? "")])))`)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	// Nobody has accepted, so the caller learns nothing of the callee.
	if diff := cmp.Diff(map[string]string{"alice": markup + " " + avatar, "bob": " "}, members(alice)); diff != "" {
		t.Errorf("while it rings (-want +got):\n%s", diff)
	}
	bob.does("accept")
	for _, p := range []*page{alice, bob} {
		p.until("is in the call", "rtc.callStatus === 3")
		if diff := cmp.Diff(map[string]string{"alice": markup + " " + avatar, "bob": "小明 "}, members(p)); diff != "" {
			t.Errorf("%s in the call (-want +got):\n%s", p.account, diff)
		}
	}
	alice.does("hangup")
	for _, p := range []*page{alice, bob} {
		p.idle()
	}

	// The record, and a call that comes in at the typed core.
	both := []shownParty{{"alice", "caller", markup, avatar}, {"bob", "callee", "小明", ""}}
	carol := open(t, browser, app.URL)
	carol.account = "carol"
	carol.run(fmt.Sprintf(`(async () => {
		window.client = new Peal.PealClient({ server: %q, getToken: () => %q });
		client.on("incoming", (call) => { window.call = call; });
		await client.connect();
	})()`, s.url(), s.token("carol")))
	records, err := evaluate[[][]shownParty](bob, fmt.Sprintf(`(async () => {
		const client = new Peal.PealClient({ server: %q, getToken: () => %q });
		await client.connect();
		const records = await client.records();
		await client.close();
		return records.map((r) => r.parties);
	})()`, s.url(), s.token("bob")))
	if err != nil || len(records) != 1 || !slices.Equal(records[0], both) {
		t.Errorf("records() gave %+v, %v", records, err)
	}
	alice.skip()
	alice.calls("carol", 1)
	carol.until("rings", "window.call")
	shown, err := evaluate[[]string](carol, "[call.peer, call.peerName, call.peerAvatar]")
	if err != nil || !slices.Equal(shown, []string{"alice", markup, avatar}) {
		t.Errorf("it rings from %q, %v", shown, err)
	}
	carol.run("call.reject()")
	alice.idle()
}
