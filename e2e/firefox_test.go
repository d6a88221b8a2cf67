package e2e_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
)

// inFirefox opens the application there and logs in.
func inFirefox(t *testing.T, f *firefox, app *httptest.Server, s *server, account, query string) *page {
	t.Helper()
	tab, err := f.open(app.URL + "/" + query)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{t: t, firefox: tab, account: account}
	p.follow()
	p.run(fmt.Sprintf("login(%q, %q, %q)", s.url(), account, s.token(account)))
	p.run(`rtc.setupLocalView(document.getElementById("local"))`)
	return p
}

// Firefox and Chromium call each other, in both directions, see and hear each
// other, and go through what a call goes through.
func TestFirefoxAndChromium(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	chromium := device(t, startBrowser(t), app, s, "alice", "")
	firefox := inFirefox(t, startFirefox(t), app, s, "bob", "")

	talk(t, chromium, firefox, 2)
	chromium.seesAndHears(30)
	firefox.seesAndHears(30)
	chromium.run(`did("muteLocalAudio", true)`)
	chromium.expect("muteLocalAudio()")
	firefox.expect("onAudioMuted")
	chromium.run(`did("switchCallType", 1)`)
	chromium.expect("switchCallType()", "onCameraAvailable")
	firefox.expect("onCallTypeChange", "onCameraAvailable")
	hangUp(firefox, chromium)

	talk(t, firefox, chromium, 2)
	firefox.seesAndHears(30)
	chromium.seesAndHears(30)
	// After a reload both make new connections, and the pictures come back.
	firefox.resumes(s)
	firefox.seesAndHears(30)
	chromium.seesAndHears(30)
	chromium.skip()
	hangUp(chromium, firefox)

	// From audio to video, on the connection that there is.
	talk(t, chromium, firefox, 1)
	firefox.start("switchCallType", "2")
	chromium.expect("onCallTypeRequest")
	chromium.run(`did("switchCallType", 2)`)
	chromium.seesAndHears(30)
	firefox.seesAndHears(30)
}

// Two Firefoxes call each other, directly and where the relay alone carries media, and
// make new connections.
func TestTwoFirefoxes(t *testing.T) {
	s := startServer(t, "--turn-addr", freeAddr(t))
	app, firefox := application(t, s), startFirefox(t)
	for name, query := range map[string]string{"direct": "", "relay": "?relay&by=udp"} {
		t.Run(name, func(t *testing.T) {
			alice := inFirefox(t, firefox, app, s, "alice-"+name, query)
			bob := inFirefox(t, firefox, app, s, "bob-"+name, query)
			talk(t, alice, bob, 2)
			alice.seesAndHears(30)
			bob.seesAndHears(30)
			bob.resumes(s)
			alice.seesAndHears(30)
			bob.seesAndHears(30)
			alice.skip()
			hangUp(alice, bob)

			talk(t, bob, alice, 1)
			alice.hears()
			bob.hears()
			hangUp(bob, alice)
		})
	}
}
