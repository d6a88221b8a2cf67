package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/cdproto/browser"
)

// A device that is not allowed says what would allow it.
func TestCures(t *testing.T) {
	s := startServer(t)
	b := asksPeople(t)
	forbids := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Permissions-Policy", "microphone=()")
		pageOf(t, s).ServeHTTP(w, r)
	}))
	t.Cleanup(forbids.Close)
	alice := device(t, b, forbids, s, "alice", "")
	alice.run(`did("call", {userId: "bob", type: 1})`)
	alice.failed("call", "100", "microphone_denied", "Permissions-Policy")

	app := application(t, s)
	outer := open(t, b, app.URL)
	outer.account = "outer"
	outer.run(`new Promise((loaded) => {
		const frame = document.createElement("iframe");
		Object.assign(frame, {src: "/?inner", allow: "microphone 'none'; camera 'none'", onload: loaded});
		document.body.append(frame);
	}).then(() => undefined)`)
	outer.run(fmt.Sprintf("frames[0].login(%q, %q, %q)", s.url(), "carol", s.token("carol")))
	outer.run(`frames[0].did("call", {userId: "bob", type: 2}).then((e) => { log.push({name: "call() failed", args: [e.failed, e.message]}); })`)
	outer.failed("call", "100", "microphone_denied", `allow=\"microphone; camera\"`)

	// Taken away during the call.
	dave, bob := device(t, b, app, s, "dave", ""), device(t, b, app, s, "bob", "")
	for _, p := range []*page{dave, bob} {
		p.permit("microphone", browser.PermissionSettingGranted)
		p.permit("camera", browser.PermissionSettingGranted)
	}
	talk(t, dave, bob, 2)
	bob.seesAndHears(10)
	dave.permit("camera", browser.PermissionSettingDenied)
	// The browser may end what it gave together.
	dave.until("receives the error", `log.some((e) => e.name === "onError" && e.args[0].code === "100" &&
		e.args[0].message === "camera_denied: the camera is not allowed: change that in the browser's site settings")`)
	bob.until("receives that there is no picture", `log.some((e) => e.name === "onCameraAvailable" && !e.args[0].available)`)
	dave.until("sends sound still", `pcs.at(-1).getSenders().some((s) => s.track?.kind === "audio" && s.track.readyState === "live")`)
}
