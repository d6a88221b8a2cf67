package e2e_test

import (
	"fmt"
	"testing"
)

// moving holds that a picture moves.
const moving = `window.moving = async (video) => {
	if (!video || video.paused) return false;
	const from = video.currentTime, most = performance.now() + 1000;
	while (video.currentTime === from && performance.now() < most) await new Promise((r) => setTimeout(r, 20));
	return video.currentTime > from;
}`

// A picture moves wherever its place was, and whenever it came.
// That is while the cameras of both go off and on as well.
func pictures(p, other *page, setUp string) {
	p.t.Helper()
	p.run(moving)
	moves := func(what, video string) {
		p.t.Helper()
		p.until(setUp+" "+what, "moving("+video+")")
	}
	in := `box.querySelector("video")`
	p.run(fmt.Sprintf(`window.setUp = (view) => %s; window.box = document.createElement("div"); setUp(box); document.body.append(box)`, setUp))
	moves("in a place that came into the document later", in)
	p.run(`box.remove()`)
	p.until("stands still outside the document", in+".paused")
	p.run(`document.body.append(box)`)
	moves("in a place that was out of the document", in)
	p.run(`box.remove()`)
	p.until("stands still outside the document", in+".paused")
	for _, on := range []bool{false, true} {
		for _, of := range []*page{p, other} {
			of.run(fmt.Sprintf(`rtc.enableLocalVideo(%v)`, on))
		}
	}
	p.run(`document.body.append(box)`)
	moves("that went off and on outside the document", in)
	p.run(`box.remove()`)
	p.until("stands still outside the document", in+".paused")
	p.run(`box = document.createElement("div"); document.body.append(box); setUp(box)`)
	moves("in the place that took the other's", in)
	p.run(`setUp(null); setUp(box)`)
	moves("in a place that was given twice", in)

	p.run(`window.own = document.createElement("video"); document.body.append(own); setUp(own)`)
	moves("in the page's own element", "own")
	p.until("leaves no other picture behind", `own.childElementCount === 0 && !`+in)
	p.run(`own.remove()`)
	p.until("stands still outside the document", "own.paused")
	p.run(`document.body.append(own)`)
	moves("in the page's own element that is back", "own")
	p.run(`setUp(null)`)
	p.until("gives the page's own element back", `own.isConnected && own.srcObject === null`)
	p.run(`setUp(box)`)
	moves("beside an element that was the page's own", in)
	p.run(`setUp(null); own.remove(); box.remove()`)
}

// swapped holds that both pictures move when they change places, and that the page has its
// elements back as they were.
func (p *page) swapped(other string) {
	p.t.Helper()
	p.run(`window.big = document.createElement("video"); big.style.cssText = "width: 50px; opacity: 0.9;"; window.small = document.createElement("video"); document.body.append(big, small); 0`)
	p.run(fmt.Sprintf(`rtc.setupRemoteView(%[1]q, big); rtc.setupLocalView(small); rtc.setupLocalView(big); rtc.setupRemoteView(%[1]q, small); 0`, other))
	p.until("shows its own picture in the element that had the other's", `moving(big).then((m) => m && big.style.transform === "scaleX(-1)" && big.srcObject !== small.srcObject)`)
	p.until("shows the other's picture in the element that had its own", `moving(small).then((m) => m && small.style.transform === "")`)
	p.run(fmt.Sprintf(`rtc.setupLocalView(null); rtc.setupRemoteView(%q, null)`, other))
	p.until("has its elements back", `[big, small].every((v) => v.srcObject === null && !v.muted && !v.autoplay) && big.style.cssText === "width: 50px; opacity: 0.9;"`)
	p.run(`big.remove(); small.remove()`)
}

func TestPictures(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	alice := device(t, startBrowser(t), app, s, "alice", "")
	bob := inFirefox(t, startFirefox(t), app, s, "bob", "")
	talk(t, alice, bob, 2)
	for p, other := range map[*page]*page{alice: bob, bob: alice} {
		p.seesAndHears(10)
		pictures(p, other, `rtc.setupLocalView(view)`)
		pictures(p, other, `rtc.setupRemoteView(rtc.userMap[Object.keys(rtc.userMap).find((u) => rtc.userMap[u] !== rtc.getSdkInstance().signal.account)], view)`)
		p.swapped(other.account)
	}
}

// Firefox may be set to play nothing, pictures included, before the person has
// done something in the page.
func TestPicturesBlocked(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	alice := device(t, startBrowser(t), app, s, "alice", "")
	bob := inFirefox(t, startFirefoxWith(t, `user_pref("media.autoplay.default", 5);`), app, s, "bob", "")
	bob.run(moving)
	blocked := `log.filter((e) => e.name === "onError" && e.args[0].message.includes("autoplay_blocked")).length`
	click := func() {
		t.Helper()
		if err := bob.firefox.click(); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(of string) {
		t.Helper()
		bob.until("shows the picture of "+of, fmt.Sprintf(`moving(document.querySelector("%s video"))`, of))
	}
	// One's own picture comes before there is any sound.
	bob.run(`did("call", {userId: "alice", type: 2})`)
	bob.until("receives that the browser plays nothing", blocked+" === 1")
	bob.until("shows a picture that stands still", `document.querySelector("#local video").paused`)
	click()
	shows("#local")
	alice.expect("onInvited")
	alice.does("accept")
	bob.seesAndHears(10)
	shows("#remote")
	bob.until("receives it once", blocked+" === 1")
}

// Where the browser keeps the sound graph from running, another volume does not
// silence the microphone; at full volume its own track is sent.
func TestCaptureVolumeBlocked(t *testing.T) {
	_, alice, bob := pair(t, "")
	talk(t, alice, bob, 1)
	bob.hears()
	energy := `(async () => { const before = (await stats()).energy; await new Promise((r) => setTimeout(r, 500)); return (await stats()).energy - before; })()`
	alice.run(`window.mine = rtc.getSdkInstance().rtcClient.adapterRef.localStream;
		window.sent = () => pcs.at(-1).getSenders().find((s) => s.track?.kind === "audio").track;
		window.contexts = []; window.AudioContext = class extends AudioContext {
			constructor() { super(); contexts.push(this); this.suspend(); }
			resume() { return new Promise(() => {}); }
		}`)
	alice.run(`mine.setCaptureVolume(50)`)
	alice.until("has a sound graph that stands still", `contexts.length === 1 && contexts[0].state === "suspended"`)
	alice.until("sends the microphone itself", `sent() === mine.mediaStream.getAudioTracks()[0]`)
	bob.until("hears still", energy+".then((e) => e > 1e-6)")
	alice.run(`mine.setCaptureVolume(0)`)
	bob.until("hears nothing any more", energy+".then((e) => e < 1e-6)")
	alice.run(`mine.setCaptureVolume(100)`)
	bob.until("hears again", energy+".then((e) => e > 1e-6)")
	alice.until("sends the microphone itself", `sent() === mine.mediaStream.getAudioTracks()[0]`)
	hangUp(alice, bob)
}
