package e2e_test

import (
	"testing"
	"time"
)

// The person is asked for the microphone, and the caller gives up meanwhile: the acceptance
// ends with the call, and what the person allows later is closed again.
func TestEndWhileAsked(t *testing.T) {
	s := startServer(t)
	app, browser := application(t, s), startBrowser(t)
	alice := device(t, browser, app, s, "alice", "")
	for name, bob := range map[string]*page{
		"Chromium": device(t, browser, app, s, "chromium", ""),
		"Firefox":  inFirefox(t, startFirefox(t), app, s, "firefox", ""),
	} {
		t.Run(name, func(t *testing.T) {
			bob.run(`(() => {
				const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
				window.late = [];
				navigator.permissions.query = async () => ({ state: "prompt" });
				navigator.mediaDevices.getUserMedia = (c) => new Promise((resolve) => {
					window.allow = async () => {
						const stream = await real(c);
						late.push(...stream.getTracks());
						resolve(stream);
					};
				});
			})()`)
			alice.calls(bob.account, 2)
			bob.expect("onInvited")
			bob.start("accept", "")
			bob.until("is asked", `typeof allow === "function"`)
			alice.does("cancel")
			gone := bob.expect("onUserCancel")[0]
			bob.record(2)
			failed := bob.expect("accept() failed")[0]
			if d := time.Duration(failed.At-gone.At) * time.Millisecond; d > 2*time.Second {
				t.Errorf("accept() fails %s after the end", d)
			}
			bob.run("allow()")
			bob.until("has closed what came late", `late.length === 2 && late.every((t) => t.readyState === "ended")`)
			bob.until("is idle", "rtc.callStatus === 0")
			alice.skip()
		})
	}
}
