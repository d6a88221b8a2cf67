package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// withVue is the application of a site that is written in Vue.
func withVue(t *testing.T, s *server) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/vue.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "../web/node_modules/vue/dist/vue.global.prod.js")
	})
	mux.Handle("/", pageOf(t, s))
	app := httptest.NewServer(mux)
	t.Cleanup(app.Close)
	return app
}

// inVue keeps the component in the data of a component of Vue, where each field is
// behind a Proxy; behindProxy keeps it behind a plain one.
const (
	inVue = `new Promise((resolve, reject) => {
		const script = document.createElement("script");
		script.onload = resolve;
		script.onerror = () => reject(new Error("Vue does not load"));
		script.src = "/vue.js";
		document.head.append(script);
	}).then(() => {
		window.keep = (rtc) => {
			const root = document.createElement("div");
			const view = Vue.createApp({ data: () => ({ rtc: null }), render: () => null }).mount(root);
			view.rtc = rtc;
			return view.rtc;
		};
	})`
	behindProxy = `window.keep = (rtc) => new Proxy(rtc, {})`
)

// Pages that keep the component in Vue's data, or behind a Proxy, call each other.
func TestKeptBehindProxies(t *testing.T) {
	s := startServer(t)
	app := withVue(t, s)
	chromium := open(t, startBrowser(t), app.URL)
	tab, err := startFirefox(t).open(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	firefox := &page{t: t, firefox: tab}
	firefox.follow()
	for _, keeps := range []struct {
		account, how string
		page         *page
	}{{"alice", inVue, chromium}, {"bob", behindProxy, firefox}} {
		p := keeps.page
		p.account = keeps.account
		p.run(keeps.how)
		p.run(fmt.Sprintf("login(%q, %q, %q)", s.url(), p.account, s.token(p.account)))
		p.run(`rtc.setupLocalView(document.getElementById("local"))`)
	}
	talk(t, chromium, firefox, 2)
	chromium.seesAndHears(30)
	firefox.seesAndHears(30)
	firefox.run(`rtc.getRoomInfo().then((room) => { if (room.creator !== "alice") throw new Error(JSON.stringify(room)); })`)
	hangUp(firefox, chromium)
}

// countsSockets has a page count the sockets that are open.
const countsSockets = `
	window.sockets = [];
	window.WebSocket = class extends WebSocket {
		constructor(...args) {
			super(...args);
			sockets.push(this);
		}
	};
	window.openSockets = () => sockets.filter((s) => s.readyState < 2).length;
`

// steps do in a page what frameworks do that mount, unmount and mount again.
const steps = `
	window.order = async (server, tokens, steps, gap) => {
		const X = window.NERTCCalling.default;
		window.invited = [];
		for (const step of steps) {
			const rtc = X.getInstance({ debug: false });
			if (step === "destroy") rtc.destroy();
			else if (step === "logout") rtc.logout();
			else {
				rtc.setupAppKey({ appKey: "unused", server });
				rtc.removeAllListeners();
				rtc.on("onInvited", () => invited.push(step));
				rtc.login({ account: step, token: tokens[step] });
			}
			await new Promise((resolve) => setTimeout(resolve, gap));
		}
		window.rtc = X.getInstance();
	};
`

// Logins that overlap in a page come to the last one: one socket, one invitation; and to
// none after logout and destroy.
func TestLoginsOverlap(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	caller := device(t, browser, app, s, "dora", "")
	p := open(t, browser, app.URL)
	p.account = "alice, carol"
	p.run(countsSockets + steps)
	tokens := fmt.Sprintf(`{alice: %q, carol: %q}`, s.token("alice"), s.token("carol"))
	for i, order := range strings.Split(`
alice destroy alice
alice destroy carol
alice alice
alice carol
alice carol alice
alice logout alice
alice logout carol
alice logout destroy alice
alice destroy alice destroy
alice destroy destroy alice
alice carol logout
alice carol destroy carol
alice logout alice logout
carol alice destroy alice
alice alice destroy alice`, "\n")[1:] {
		gap := []int{0, 20, 100}[i%3]
		steps := strings.Fields(order)
		p.run(fmt.Sprintf("order(%q, %s, %q.split(' '), %d)", s.url(), tokens, order, gap))
		last := steps[len(steps)-1]
		if last == "logout" || last == "destroy" {
			p.until(order+": no socket is left", "openSockets() === 0")
			continue
		}
		p.until(order+": one socket is left", "openSockets() === 1")
		caller.run(fmt.Sprintf(`did("call", {userId: %q, type: 1})`, last))
		p.until(order+": it rings", fmt.Sprintf("JSON.stringify(invited) === JSON.stringify([%q])", last))
		caller.run(`did("hangup")`)
		p.until(order+": it stops ringing", "rtc.callStatus === 0")
		p.run("new Promise((resolve) => rtc.logout().then(resolve, resolve))")
	}
}
