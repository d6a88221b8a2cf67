package e2e_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A connection that went silent without being closed, as after a sleep or in a
// dead spot, is found by the heartbeat: in a call within seconds, and media
// goes on meanwhile.
func TestHalfOpenInACall(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	through := startProxy(t, s)
	alice := device(t, browser, app, s, "alice", "")
	bob := open(t, browser, app.URL)
	bob.account = "bob"
	bob.run(fmt.Sprintf("login(%q, %q, %q)", through.url(), "bob", s.token("bob")))
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)

	frames := alice.stats().Frames
	before := time.Now()
	through.fall()
	bob.until("has connected again", "connects === 2")
	if d := time.Since(before); d > 4*time.Second+5*time.Second {
		t.Errorf("it took %s to find a silent connection in a call", d)
	}
	alice.seesAndHears(frames + 30)
	for _, p := range []*page{alice, bob} {
		if n := len(p.log()); n != p.seen {
			t.Errorf("%s is told of a signalling connection:%s", p.account, p.history())
		}
	}
	// Both sides still agree, and each hears the other's hang-up.
	hangUp(bob, alice)
	talk(t, alice, bob, 1)
	through.fall()
	bob.does("hangup") // Into the dead connection: it holds here at once, and the next connection sends it.
	alice.expect("onUserLeave", "onCallEnd")
	alice.record(1)
	alice.idle()
	bob.idle()
}

// A proxy that ends closes both ends by 1001: the server takes it for a page that goes away,
// and both pages come back at once. The call does not end by that.
func TestProxyGoesAway(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	through := startProxy(t, s)
	pages := make(map[string]*page)
	for _, account := range []string{"alice", "bob"} {
		p := open(t, browser, app.URL)
		p.account = account
		p.run(fmt.Sprintf("login(%q, %q, %q)", through.url(), account, s.token(account)))
		pages[account] = p
	}
	alice, bob := pages["alice"], pages["bob"]
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	frames := alice.stats().Frames
	through.goAway()
	for _, p := range pages {
		p.until("has connected again", "connects === 2")
	}
	// Longer than a call waits for a page that has gone away.
	began := time.Now()
	eventually(t, 40*time.Second, "the grace of a page that goes away is over", func() bool {
		return time.Since(began) > 12*time.Second
	})
	alice.seesAndHears(frames + 30)
	for _, p := range pages {
		if n := len(p.log()); n != p.seen {
			t.Errorf("%s is told of a signalling connection:%s", p.account, p.history())
		}
	}
	hangUp(bob, alice)
}

// Idle, it takes longer; coming back to the page, or on line, it is found at once.
func TestHalfOpenWhileIdle(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	through := startProxy(t, s)
	alice := device(t, browser, app, s, "alice", "")
	bob := open(t, browser, app.URL)
	bob.account = "bob"
	bob.run(fmt.Sprintf("login(%q, %q, %q)", through.url(), "bob", s.token("bob")))
	through.fall()
	bob.run(`window.dispatchEvent(new Event("online"))`)
	before := time.Now()
	bob.until("has connected again", "connects === 2")
	if d := time.Since(before); d > 4*time.Second+5*time.Second {
		t.Errorf("it took %s after the page came on line", d)
	}
	alice.calls("bob", 1)
	bob.expect("onInvited")

	// An invitation that was made while the connection was dead rings once it is back.
	alice.does("cancel")
	bob.expect("onUserCancel")
	through.fall()
	alice.until("may call again", "rtc.callStatus === 0")
	alice.run(`did("call", {userId: "bob", type: 1})`)
	eventually(t, 40*time.Second, "it rings by the next connection", func() bool {
		rings, err := evaluate[bool](bob, "rtc.callStatus === 2")
		return err == nil && rings
	})
	if n := through.connections(); n < 3 {
		t.Errorf("%d connections were made, want 3", n)
	}
}

// A network that is there gets grades, every two seconds, for both people.
func TestNetworkQuality(t *testing.T) {
	_, alice, bob := pair(t, "")
	for _, p := range []*page{alice, bob} {
		p.run(`window.grades = []; rtc.on("onUserNetworkQuality", (g) => grades.push({at: Date.now(), g})); void 0`)
	}
	talk(t, alice, bob, 2)
	type grade struct {
		At int64
		G  map[string]struct{ UplinkNetworkQuality, DownlinkNetworkQuality int }
	}
	for _, p := range []*page{alice, bob} {
		p.until("has been graded, both ways", fmt.Sprintf(`grades.length >= 4 && Math.min(...Object.values(grades.at(-1).g[%q])) > 0`, p.account))
		list, err := evaluate[[]grade](p, "grades")
		if err != nil {
			t.Fatal(err)
		}
		for i, one := range list {
			if len(one.G) != 2 {
				t.Errorf("%s was given grades of %v", p.account, one.G)
			}
			for who, q := range one.G {
				if min(q.UplinkNetworkQuality, q.DownlinkNetworkQuality) < 0 || max(q.UplinkNetworkQuality, q.DownlinkNetworkQuality) > 5 {
					t.Errorf("%s has the grades %+v", who, q)
				}
			}
			if i > 0 && one.At-list[i-1].At > 7000 {
				t.Errorf("%d ms between two grades", one.At-list[i-1].At)
			}
		}
		// A timer of a busy page runs late and the next one in time, so two grades may come
		// close together. Over the whole time there is no more than one in 2 s.
		if gaps, span := int64(len(list)-1), list[len(list)-1].At-list[0].At; gaps > span/2000+1 {
			t.Errorf("%d grades within %d ms", gaps+1, span)
		}
	}
	hangUp(alice, bob)
}

// mint makes a token as the command line does.
func (s *server) mint(account, ttl string) string {
	s.t.Helper()
	out, err := exec.Command(binary, "token", "--account", account, "--ttl", ttl, "--data", s.data).Output()
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A token that is wrong or has expired is said so; one that expires in a call is
// renewed and cuts nothing.
func TestTokens(t *testing.T) {
	s, alice, bob := pair(t, "")
	fails := func(token, code, says string) {
		t.Helper()
		p := open(t, bob.ctx, pageURL(t, bob))
		p.account = "dave"
		got, err := evaluate[string](p, fmt.Sprintf(`login(%q, "dave", %q, {onerror: (e) => window.said = e.code}).then(() => "in", (e) => e.code + " " + e.message + " " + window.said)`, s.url(), token))
		if err != nil || !strings.HasPrefix(got, code) || !strings.Contains(got, says) || !strings.HasSuffix(got, code) {
			t.Errorf("login with a bad token gives %q, %v, want %s and %q", got, err, code, says)
		}
	}
	fails("no token at all", "102", "JWT")
	short := s.mint("dave", "1s")
	eventually(t, 20*time.Second, "it has expired, leeway included", func() bool {
		c, err := evaluate[string](alice, fmt.Sprintf(`(async () => { const c = new Peal.PealClient({ server: %q, getToken: () => %q });
			try { await c.connect(); await c.close(); return "in"; } catch (e) { return e.code; } })()`, s.url(), short))
		return err == nil && c == "token_expired"
	})
	fails(short, "102", "expired")

	// Good for ten seconds, leeway included; the call lasts longer.
	carol := open(t, bob.ctx, pageURL(t, bob))
	carol.account = "carol"
	carol.run(fmt.Sprintf(`window.minted = 0; window.next = %q; login(%q, "carol", %q, {getToken: () => { minted++; return next; }})`, s.mint("carol", "1h"), s.url(), s.mint("carol", "5s")))
	talk(t, alice, carol, 1)
	carol.until("has fetched a new token before the old one's end", "minted >= 1")
	began := time.Now()
	eventually(t, 30*time.Second, "the first token has expired", func() bool { return time.Since(began) > 11*time.Second })
	carol.hears()
	if n, err := evaluate[int](carol, "connects"); err != nil || n != 1 {
		t.Errorf("the token's end cut the connection: %d connects, %v", n, err)
	}
	hangUp(alice, carol)
}

func pageURL(t *testing.T, p *page) string {
	t.Helper()
	url, err := evaluate[string](p, "location.href")
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// The class by its names, with and without new, and its instances.
func TestInstances(t *testing.T) {
	s, alice, bob := pair(t, "")
	ok, err := evaluate[bool](alice, `(() => {
		const one = new window["NERTCCalling"].default.getInstance({debug: true});
		const two = NRTCCalling.RTCCalling.getInstance();
		return one === rtc && two === rtc && typeof NERTCCalling.default.version === "string" && new NERTCCalling.default() !== rtc;
	})()`)
	if err != nil || !ok {
		t.Errorf("the names do not lead to one instance: %v", err)
	}
	heard, err := evaluate[string](alice, `(() => {
		const heard = [], x = new Peal.RTCCalling({debug: false});
		const on = (name) => () => heard.push(name);
		const off = on("off");
		x.addDelegate("onError", on("delegate")); x.on("onError", on("on")); x.once("onError", on("once")); x.on("onError", off); x.off("onError", off);
		x.setCallTimeout(130000); x.setCallTimeout(130000);
		x.removeDelegate("onError"); x.setCallTimeout(130000);
		x.on("onError", on("late")); x.removeAllListeners(); x.setCallTimeout(130000);
		return heard.join();
	})()`)
	if err != nil || heard != "delegate,on,once,delegate,on" {
		t.Errorf("listeners heard %q, %v", heard, err)
	}

	// Logging out in a call ends it for the other side, which is notified.
	talk(t, alice, bob, 1)
	alice.does("logout")
	bob.expect("onUserLeave", "onCallEnd")
	bob.record(1)
	alice.until("is out", `log.some((e) => e.name === "ondisconnect") && rtc.callStatus === 0`)
	alice.skip()
	alice.does("logout")
	alice.failed("logout", "101")
	alice.run(`did("call", {userId: "bob", type: 1})`)
	alice.failed("call", "102")
	alice.run(fmt.Sprintf("rtc.login({account: %q, token: %q})", "alice", s.token("alice")))
	talk(t, bob, alice, 1)

	// Destroyed in a call: it is over, and the next instance is another.
	alice.run("window.old = rtc; rtc.destroy(); void 0")
	bob.expect("onUserLeave", "onCallEnd")
	if other, err := evaluate[bool](alice, "NERTCCalling.default.getInstance() !== old"); err != nil || !other {
		t.Errorf("a destroyed singleton is given out again: %v", err)
	}
}
