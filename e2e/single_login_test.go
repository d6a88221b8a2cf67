package e2e_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The newer login of an account wins: the older device leaves its call, is
// logged out and destroys itself, the other person's call ends, and the newer
// device can be called.
func TestSingleLogin(t *testing.T) {
	s := startServer(t, "--single-login")
	browser := startBrowser(t)
	app := application(t, s)
	alice, old := device(t, browser, app, s, "alice", ""), device(t, browser, app, s, "bob", "")
	talk(t, alice, old, 1)
	alice.hears()

	newer := device(t, browser, app, s, "bob", "")
	old.expect("onDisconnect", "onCallEnd")
	kicked := old.expect("ondisconnect")[0]
	if why := arg[struct{ Code string }](t, kicked); why.Code != "kicked" {
		t.Errorf("the older device is logged out with %q", why.Code)
	}
	alice.expect("onUserLeave", "onCallEnd")
	alice.record(1)
	alice.idle()
	old.idle()
	old.until("has forgotten its singleton", "NERTCCalling.default.getInstance() !== rtc")
	newer.record(1)
	talk(t, alice, newer, 1)
	hangUp(newer, alice)
	if n := len(old.log()); n != old.seen {
		t.Errorf("the older device hears more:%s", old.history())
	}
}

// A token can ask for it, where the deployment does not.
func TestSingleLoginByToken(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	first, second := device(t, browser, app, s, "bob", ""), device(t, browser, app, s, "bob", "")
	out, err := exec.Command(binary, "token", "--account", "bob", "--single-login", "--data", s.data).Output()
	if err != nil {
		t.Fatal(err)
	}
	only := open(t, browser, app.URL)
	only.account = "bob"
	only.run(`login("` + s.url() + `", "bob", "` + strings.TrimSpace(string(out)) + `")`)
	first.expect("ondisconnect")
	second.expect("ondisconnect")
	alice := device(t, browser, app, s, "alice", "")
	alice.calls("bob", 1)
	only.expect("onInvited")
}
