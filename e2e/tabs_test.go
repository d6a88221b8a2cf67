package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Clicked twice, it is called and accepted once.
func TestDoubleClick(t *testing.T) {
	_, alice, bob := pair(t, "")
	alice.run(`void did("call", {userId: "bob", type: 2}), did("call", {userId: "bob", type: 2})`)
	if code := arg[string](t, alice.expect("call() failed")[0]); code != "20002" {
		t.Errorf("the second call() gives %s", code)
	}
	alice.expect("call()")
	bob.expect("onInvited")
	bob.run(`void did("accept"), did("accept")`)
	bob.expect("accept()", "accept()", "onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
	alice.expect("onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
	bob.run(`void did("hangup"), did("hangup")`)
	alice.expect("onUserLeave", "onCallEnd")
	alice.record(1)
	bob.until("has hung up once", `log.filter((e) => e.name === "hangup()").length === 1`)
	alice.idle()
	bob.idle()
	if got := bob.statuses(); len(got) != 1 {
		t.Errorf("%d records of one call", len(got))
	}
}

// duplicate opens the page a second time as a browser duplicates a tab: with a
// copy of its sessionStorage.
func (p *page) duplicate() *page {
	p.t.Helper()
	before, err := chromedp.Targets(p.ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	p.run("void window.open(location.href)")
	var id target.ID
	eventually(p.t, 20*time.Second, "the second tab is there", func() bool {
		now, err := chromedp.Targets(p.ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, one := range now {
			known := one.Type != "page"
			for _, old := range before {
				known = known || old.TargetID == one.TargetID
			}
			if !known {
				id = one.TargetID
			}
		}
		return id != ""
	})
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithTargetID(id))
	p.t.Cleanup(cancel)
	twin := &page{t: p.t, ctx: ctx, account: p.account}
	twin.until("is loaded", `typeof login === "function" && window.NERTCCalling !== undefined`)
	return twin
}

// A duplicated tab is a device of its own: both stay, both ring.
func TestDuplicatedTab(t *testing.T) {
	s, alice, bob := pair(t, "")
	twin := bob.duplicate()
	if same, err := evaluate[bool](twin, `sessionStorage.length > 0`); err != nil || !same {
		t.Fatalf("the second tab has no copy of the first one's storage: %v", err)
	}
	twin.run(fmt.Sprintf("login(%q, %q, %q)", s.url(), "bob", s.token("bob")))
	id := "rtc.getSdkInstance().signal.deviceId"
	one, err1 := evaluate[string](bob, id)
	two, err2 := evaluate[string](twin, id)
	if err1 != nil || err2 != nil || one == "" || one == two {
		t.Errorf("the devices are %q and %q, %v %v", one, two, err1, err2)
	}
	alice.calls("bob", 1)
	bob.expect("onInvited")
	twin.expect("onInvited")
	twin.does("accept")
	bob.expect("onOtherClientAccept")
	alice.hears()
}

// shut closes a tab, as a person does.
func (p *page) shut() {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Navigate("about:blank")); err != nil {
		p.t.Fatal(err)
	}
}

// A page that is closed in a call or while it calls is missed soon; one that
// only rings is not.
func TestClosingThePage(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	alice, bob := device(t, browser, app, s, "alice", ""), device(t, browser, app, s, "bob", "")
	talk(t, alice, bob, 1)
	alice.hears()
	bob.shut()
	closed := entry{At: time.Now().UnixMilli()}
	gone := alice.expectWithin(45*time.Second, "onUserDisconnect", "onCallEnd")[0]
	if who := arg[string](t, gone); who != "bob" {
		t.Errorf("onUserDisconnect gave %q", who)
	}
	// Media is missed after some seconds, and the page had said that it leaves.
	took(t, "missing a closed page", closed, gone, 10*time.Second)
	alice.record(1)
	alice.idle()

	// The caller's page is closed while it rings.
	again := device(t, browser, app, s, "bob", "")
	again.record(1)
	again.calls("alice", 1)
	alice.expect("onInvited")
	again.shut()
	closed = entry{At: time.Now().UnixMilli()}
	took(t, "missing a closed caller", closed, alice.expectWithin(30*time.Second, "onUserCancel")[0], 10*time.Second)
	alice.record(2)
	alice.idle()

	// The callee's only page is closed while it rings: the caller cannot tell.
	third := device(t, browser, app, s, "bob", "")
	third.wantStatuses("it is told of what there was", 1, 2)
	third.skip()
	alice.run("rtc.setCallTimeout(6000)")
	alice.calls("bob", 1)
	began := third.expect("onInvited")[0]
	third.shut()
	took(t, "ringing", began, alice.timedOut("callTimeOut"), 6*time.Second)
}

// The browser refuses to play sound: that is said once, and the next click
// anywhere in the page starts it.
func TestAutoplayBlocked(t *testing.T) {
	_, alice, bob := pair(t, "")
	// Chromium lets pages play that capture sound, so the refusal is made up; the gesture is real.
	bob.run(`(() => {
		const play = HTMLMediaElement.prototype.play;
		HTMLMediaElement.prototype.play = function () {
			if (this.muted || navigator.userActivation.hasBeenActive) { if (!this.muted) window.played = true; return play.call(this); }
			return Promise.reject(new DOMException("no gesture", "NotAllowedError"));
		};
	})()`)
	alice.calls("bob", 1)
	bob.expect("onInvited")
	bob.does("accept")
	bob.until("is told", `log.filter((e) => e.name === "onError" && e.args[0].message.startsWith("autoplay_blocked")).length === 1`)
	if played, err := evaluate[bool](bob, "!!window.played"); err != nil || played {
		t.Fatalf("it plays without a gesture: %v", err)
	}
	if err := chromedp.Do(bob.ctx, chromedp.MouseClickXY(100, 400)); err != nil {
		t.Fatal(err)
	}
	bob.until("plays after one click", "window.played === true")
	bob.hears()
	alice.does("hangup")
	bob.until("is idle", "rtc.callStatus === 0")
}

// A hidden tab whose timers are throttled stays online, rings, and can be
// answered; its heartbeat raises no false alarm.
func TestHiddenTab(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t,
		chromedp.Flag("disable-background-timer-throttling", false),
		chromedp.Flag("disable-backgrounding-occluded-windows", false),
		chromedp.Flag("disable-renderer-backgrounding", false),
		chromedp.Flag("enable-features", "IntensiveWakeUpThrottling:grace_period_seconds/1"),
	)
	app := application(t, s)
	alice, bob := device(t, browser, app, s, "alice", ""), device(t, browser, app, s, "bob", "")
	bob.run(`window.ticks = []; setInterval(() => ticks.push(Date.now()), 100); void 0`)
	hide(t, bob)
	bob.until("is hidden", `document.visibilityState === "hidden"`)
	// Woken once a minute is what Chromium does to pages that are hidden for
	// long: for longer than the heartbeat's patience nothing of the page runs.
	eventually(t, 100*time.Second, "timers of the hidden page stand still", func() bool {
		late, err := evaluate[float64](bob, `Math.max(0, ...ticks.map((at, i) => at - (ticks[i - 1] ?? at)))`)
		return err == nil && late >= 28_000
	})
	if n, err := evaluate[int](bob, "connects"); err != nil || n != 1 {
		t.Errorf("the hidden page has connected %d times, %v", n, err)
	}
	before := entry{At: time.Now().UnixMilli()}
	alice.calls("bob", 1)
	took(t, "ringing in a hidden tab", before, bob.expect("onInvited")[0], 0)
	bob.does("accept")
	alice.expect("onUserAccept")
	alice.hears()
	bob.hears()
	if hidden, err := evaluate[bool](bob, "document.hidden"); err != nil || !hidden {
		t.Errorf("the page is not hidden any more: %v", err)
	}
}

// hide puts another tab in front of a page's, in the same window.
func hide(t *testing.T, p *page) {
	t.Helper()
	p.run(`void window.open("about:blank")`)
}
