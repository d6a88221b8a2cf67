package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// oldCopy is the component as 0.1.0 had it. Sites keep copies for months, so today's
// server has to speak with it, and today's component has to call it.
const oldCopy = "testdata/old/peal-0.1.0.umd.js"

// oldApplication serves the page of a site that keeps its own, old copy of the component.
func oldApplication(t *testing.T) *httptest.Server {
	t.Helper()
	component, err := os.ReadFile(oldCopy)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	html := strings.Replace(string(page), "</html>", `<script src="/peal.umd.js"></script></html>`, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/peal.umd.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(component)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, html)
	})
	app := httptest.NewServer(mux)
	t.Cleanup(app.Close)
	return app
}

// bothCopies gives today's server, a browser, and the pages of a site that has today's
// component and of one that has the old copy.
func bothCopies(t *testing.T) (s *server, browser context.Context, today, old *httptest.Server) {
	t.Helper()
	s = startServer(t)
	return s, startBrowser(t), application(t, s), oldApplication(t)
}

// refusedNothing holds that the server understood each command of a page. A command may
// cross the end of its call or a new generation of its media, and is then refused rightly.
func (p *page) refusedNothing() {
	p.t.Helper()
	refused, err := evaluate[[]string](p, `wire.filter((e) => !e.sent && (e.frame.error ? !["call_ended", "stale_generation"].includes(e.frame.error.code) : e.frame.goodbye)).map((e) => JSON.stringify(e.frame))`)
	if err != nil || len(refused) > 0 {
		p.t.Errorf("%s was refused %v, %v", p.account, refused, err)
	}
}

// allOfACall has one page call another in each way that a call can go.
func allOfACall(t *testing.T, caller, callee *page) {
	t.Helper()
	talk(t, caller, callee, 2)
	caller.seesAndHears(30)
	callee.seesAndHears(30)
	for _, sides := range [][]*page{{caller, callee}, {callee, caller}} {
		by, other := sides[0], sides[1]
		for _, muted := range []bool{true, false} {
			by.run(fmt.Sprintf(`did("muteLocalAudio", %v)`, muted))
			by.expect("muteLocalAudio()")
			got := arg[map[string]any](t, other.expect("onAudioMuted")[0])
			if got["userId"] != by.account || got["muted"] != muted {
				t.Errorf("%s is told %v of %s, want muted %v", other.account, got, by.account, muted)
			}
		}
	}
	caller.run(`did("switchCallType", 1)`)
	caller.expect("switchCallType()")
	if kind := arg[int](t, callee.expect("onCallTypeChange")[0]); kind != 1 {
		t.Errorf("onCallTypeChange gave %d", kind)
	}
	for _, p := range []*page{caller, callee} {
		p.expect("onCameraAvailable")
		p.hears()
	}
	hangUp(callee, caller)

	talk(t, caller, callee, 2)
	caller.seesAndHears(30)
	callee.seesAndHears(30)
	hangUp(caller, callee)

	caller.calls(callee.account, 2)
	callee.expect("onInvited")
	caller.does("cancel")
	callee.expect("onUserCancel")
	callee.record(2)
	caller.expect("onMessageSent")
	caller.record(2)
	caller.expect("cancel()")
	caller.idle()
	callee.idle()

	caller.calls(callee.account, 1)
	callee.expect("onInvited")
	callee.does("reject")
	caller.expect("onUserReject", "onMessageSent")
	caller.record(3)
	callee.record(3)
	callee.expect("reject()")
	caller.idle()
	callee.idle()
	for _, p := range []*page{caller, callee} {
		p.refusedNothing()
		if n := len(p.log()); n != p.seen {
			t.Errorf("%s is told more than the calls were:%s", p.account, p.history())
		}
	}
}

// A site with the old copy and one with today's component call each other. Both people
// have names and pictures, of which the old copy knows nothing.
func TestOldCopyAndToday(t *testing.T) {
	s, browser, today, old := bothCopies(t)
	token := func(account string) string {
		return s.namedToken(account, "Name of "+account, "https://example.com/"+account+".png")
	}
	alice := deviceWith(t, browser, old, s, "alice", token("alice"), "")
	bob := deviceWith(t, browser, today, s, "bob", token("bob"), "")
	allOfACall(t, alice, bob)
	allOfACall(t, bob, alice)
}

// Two sites with the old copy call each other by today's server.
func TestOldCopies(t *testing.T) {
	s, browser, _, old := bothCopies(t)
	alice, bob := device(t, browser, old, s, "alice", ""), device(t, browser, old, s, "bob", "")
	allOfACall(t, alice, bob)
}

// A page that is reloaded in a call goes on with it, whichever side has the old copy.
func TestOldCopyReloads(t *testing.T) {
	s, browser, today, old := bothCopies(t)
	alice, bob := device(t, browser, old, s, "alice", ""), device(t, browser, today, s, "bob", "")
	for _, sides := range [][]*page{{alice, bob}, {bob, alice}} {
		reloads, stays := sides[0], sides[1]
		talk(t, stays, reloads, 2)
		stays.seesAndHears(30)
		made, err := evaluate[int](stays, "pcs.length")
		if err != nil {
			t.Fatal(err)
		}
		reloads.resumes(s)
		reloads.seesAndHears(30)
		stays.until("has a new connection", fmt.Sprintf("pcs.length === %d", made+1))
		stays.seesAndHears(30) // On that one: its counters began at 0.
		stays.skip()           // The page may have been notified that the camera was gone for a moment.
		hangUp(reloads, stays)
		reloads.refusedNothing()
		stays.refusedNothing()
	}
}
