package e2e_test

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// watchCore has a page log in by the typed core, and keep what it tells: the
// newest call is `call`, and `heard` has the events of the calls by name.
const watchCore = `(() => {
	Object.assign(window, { call: null, heard: {} });
	const names = ["accepted", "connected", "reconnecting", "type", "videoRequest", "screenShare",
		"remoteTracks", "localStream", "deviceLost", "error", "ended"];
	window.follow = (next) => {
		window.call = next;
		window.heard = Object.fromEntries(names.map((n) => [n, []]));
		for (const name of names) next.on(name, (what) => heard[name].push(what?.code ?? what));
		next.attachLocal(document.getElementById("local"));
		next.attachRemote(document.getElementById("remote"));
	};
	window.begin = async (options) => {
		window.client = new Peal.PealClient(options);
		client.on("incoming", follow);
		await client.connect();
	};
	window.decoded = async () => {
		let frames = 0;
		(await call.getStats()).forEach((s) => { if (s.type === "inbound-rtp" && s.kind === "video") frames += s.framesDecoded ?? 0; });
		return frames;
	};
	window.grows = async (value) => {
		const before = await value();
		for (let i = 0; i < 80; i++) {
			await new Promise((r) => setTimeout(r, 100));
			if ((await value()) > before + 5) return true;
		}
		return false;
	};
})()`

// logIn has a page log in by the typed core; options are more of its client's.
func (p *page) logIn(s *server, account, options string) {
	p.t.Helper()
	p.account = account
	p.run(watchCore)
	p.run(fmt.Sprintf("begin({ server: %q, getToken: () => %q, ...%s })", s.url(), s.token(account), options))
}

// takesPart clicks in the page, as browsers want it before they share a screen.
func (p *page) takesPart() {
	p.t.Helper()
	var err error
	if p.firefox != nil {
		err = p.firefox.click()
	} else {
		err = chromedp.Do(p.ctx, chromedp.MouseClickXY(5, 5))
	}
	if err != nil {
		p.t.Fatalf("%s: click: %v", p.account, err)
	}
}

// connects has caller call callee, who answers, and both have media.
func connects(caller, callee *page, options string) {
	caller.t.Helper()
	caller.run(fmt.Sprintf("follow(client.call(%q, %s))", callee.account, options))
	callee.until("rings", `call?.state === "ringing"`)
	callee.run("call.accept()")
	for _, p := range []*page{caller, callee} {
		p.until("is in the call", `call.state === "connected"`)
	}
}

// mixedPair opens a page in Firefox and one in Chromium.
func mixedPair(t *testing.T, app *httptest.Server) (firefox, chromium *page) {
	t.Helper()
	tab, err := startFirefox(t).open(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	firefox = &page{t: t, firefox: tab}
	firefox.follow()
	return firefox, open(t, startBrowser(t), app.URL)
}

// drawsScreen stands in for the screen of a Firefox without a desktop, which has none.
const drawsScreen = `navigator.mediaDevices.getDisplayMedia = async () => {
	const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
	const pen = canvas.getContext("2d");
	setInterval(() => { pen.fillStyle = "hsl(" + Date.now() % 360 + " 80% 50%)"; pen.fillRect(0, 0, 1280, 720); }, 50);
	const sound = new AudioContext().createMediaStreamDestination().stream.getAudioTracks();
	return new MediaStream([...canvas.captureStream(20).getTracks(), ...sound]);
}; 0`

// A screen is shown in a call that was about sound, whole, by way of a relay, over a
// restart of the server, until the person or the browser ends it.
func TestScreenShare(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	firefox, chromium := mixedPair(t, app)
	firefox.run(drawsScreen)
	firefox.logIn(s, "fiona", "{}")
	chromium.logIn(s, "chris", `{ iceTransportPolicy: "relay" }`)
	for _, pair := range [][2]*page{{firefox, chromium}, {chromium, firefox}} {
		shares, sees := pair[0], pair[1]
		connects(shares, sees, "{}")
		shares.takesPart()
		shares.run("window.sharing = call.shareScreen({ audio: true }); sharing.catch((e) => log.push({ name: e.code, args: [e.message] })); 0")
		sees.until("is asked for a video call", "call.videoRequested")
		sees.run("call.switchType(2)")
		shares.run("sharing")
		shares.until("shares its screen", "call.screenOn && call.getSnapshot().screenOn && heard.screenShare.join() === 'true' && !call.cameraOn")
		shares.until("sees its own screen as it is", `document.querySelector("#local video").style.transform === ""`)
		sees.until("sees a screen", "call.remoteTracks.screen && call.getSnapshot().remoteTracks.screen && grows(decoded)")
		sees.until("sees it whole", `document.querySelector("#remote video").style.objectFit === "contain"`)

		s.stop(syscall.SIGKILL)
		s.start()
		shares.until("is back", `client.connection === "online"`)
		sees.until("is back", `client.connection === "online"`)
		sees.until("sees the screen still", "call.remoteTracks.screen && grows(decoded)")

		shares.run("call.stopScreenShare()")
		sees.until("sees no screen any more", `!call.remoteTracks.screen && !call.remoteTracks.video && document.querySelector("#remote video").style.objectFit === "cover"`)
		shares.run("call.setCamera(true)")
		sees.until("sees the camera", "call.remoteTracks.video && grows(decoded)")
		shares.takesPart()
		shares.run("call.shareScreen()")
		sees.until("sees the screen in the camera's place", "call.remoteTracks.screen && grows(decoded)")
		if shares == chromium {
			// The browser's own bar ends the track, and says so.
			shares.run(`call.localStream.getVideoTracks()[0].dispatchEvent(new Event("ended"))`)
		} else {
			shares.run("call.stopScreenShare()") // A page cannot act as its browser there.
		}
		sees.until("sees the camera again", "!call.remoteTracks.screen && call.remoteTracks.video && grows(decoded)")
		shares.until("has its camera again", `call.cameraOn && heard.screenShare.join() === "true,false,true,false"`)
		shares.run("window.mine = call.localStream.getTracks()")
		shares.run("call.hangup()")
		sees.until("is over", `call.end?.reason === "completed"`)
		shares.until("has closed all", `mine.every((t) => t.readyState === "ended") && client.getSnapshot().lastCall === call`)
	}
}

// A screen that nobody agrees to see is closed again.
func TestScreenShareDeclined(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	browser := startBrowser(t)
	alice, bob := open(t, browser, app.URL), open(t, browser, app.URL)
	alice.logIn(s, "alice", "{}")
	bob.logIn(s, "bob", "{}")
	alice.run(`(() => {
		const media = navigator.mediaDevices, open = media.getDisplayMedia.bind(media);
		media.getDisplayMedia = async (c) => (window.shown = await open(c));
	})()`)
	connects(alice, bob, "{}")
	alice.run("window.sharing = call.shareScreen().catch((e) => e.code); 0")
	bob.until("is asked", "call.videoRequested")
	bob.run("call.switchType(1)")
	alice.until("is told that it is declined", `sharing.then((code) => code === "declined")`)
	alice.until("has closed it", `shown.getTracks().every((t) => t.readyState === "ended") && !call.screenOn`)

	// While the other side is asked the call may end.
	alice.run("window.sharing = call.shareScreen().catch((e) => e.code); 0")
	bob.until("is asked", "call.videoRequested")
	bob.run("call.hangup()")
	alice.until("is told", `sharing.then((code) => code === "call_ended" || code === "declined")`)
	alice.until("has closed it", `shown.getTracks().every((t) => t.readyState === "ended")`)
	alice.until("can share nothing without a call", `call.shareScreen().then(() => false, (e) => e.code === "wrong_state")`)
}

// withoutMicrophone has a page's machine lack one until `connect` is called.
const withoutMicrophone = `(() => {
	const media = navigator.mediaDevices;
	const open = media.getUserMedia.bind(media), list = media.enumerateDevices.bind(media);
	window.lacks = true;
	media.getUserMedia = async (c) => {
		if (lacks && c.audio) throw new DOMException("there is none", "NotFoundError");
		return open(c);
	};
	media.enumerateDevices = async () => (await list()).filter((d) => !lacks || d.kind !== "audioinput");
	window.connectMicrophone = () => {
		lacks = false;
		media.dispatchEvent(new Event("devicechange"));
	};
})()`

// A page without a microphone calls and answers where the application allows it, hears the
// other side, and speaks once there is one.
func TestListenOnly(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	firefox, chromium := mixedPair(t, app)
	for _, pair := range [][2]*page{{firefox, chromium}, {chromium, firefox}} {
		listens, speaks := pair[0], pair[1]
		listens.run(withoutMicrophone)
		listens.logIn(s, "listener", `{ microphone: "optional" }`)
		speaks.run("window.lacks = false")
		speaks.logIn(s, "speaker", "{}")
		for kind, called := range []bool{true, false} {
			listens.run("lacks = true")
			if called {
				connects(speaks, listens, fmt.Sprintf("{ video: %t }", kind == 1))
			} else {
				connects(listens, speaks, fmt.Sprintf("{ video: %t }", kind == 1))
			}
			speaks.until("knows that there is no sound", "!call.remoteTracks.audio")
			listens.until("hears, and was told", `call.remoteTracks.audio && !call.microphoneOn && heard.error.includes("microphone_missing")`)
			if kind == 1 {
				speaks.until("sees the picture", "call.remoteTracks.video && grows(decoded)")
			}
			listens.run("connectMicrophone()")
			speaks.until("hears the microphone that came later", "call.remoteTracks.audio")
			listens.until("speaks", "call.microphoneOn")
			speaks.run("call.hangup()")
			listens.until("is over", `call.end?.reason === "completed"`)
		}
		// Without leave a call needs one, as ever.
		listens.run("client.close()")
		listens.run("lacks = true")
		listens.logIn(s, "listener", "{}")
		listens.run(`follow(client.call("speaker"))`)
		listens.until("cannot call", `call.invited.then(() => false, (e) => e.code === "microphone_missing")`)
		listens.until("shows no call", `client.getSnapshot().call === null && client.getSnapshot().lastCall.end.reason === "failed"`)
		listens.run("client.close()")
		speaks.run("client.close()")
	}
}

// The choice of devices holds before, in and after a call, and in the next page
// where the application asks for that.
func TestCoreDevices(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t, chromedp.Flag("use-fake-device-for-media-stream", "device-count=3"))
	app := application(t, s)
	alice, bob := open(t, browser, app.URL), open(t, browser, app.URL)
	alice.logIn(s, "alice", "{ rememberDevices: true }")
	bob.logIn(s, "bob", "{}")
	alice.run(`(async () => {
		window.lists = 0;
		client.devices.subscribe(() => lists++);
		// Names come with the permission.
		(await navigator.mediaDevices.getUserMedia({ audio: true, video: true })).getTracks().forEach((t) => t.stop());
		const { cameras, microphones } = await client.devices.list();
		// The second made-up camera gives depth, which nobody encodes.
		window.cameras = cameras.filter((d) => d.label !== "fake_device_1");
		window.microphone = microphones.find((d) => d.id !== "default" && !d.active);
		await client.devices.choose("camera", window.cameras[1].id);
		await client.devices.choose("microphone", microphone.id);
	})()`)
	alice.run(`window.uses = (kind) => call[kind === "camera" ? "camera" : "microphone"]?.getSettings().deviceId`)
	alice.until("lists what was chosen as active", `client.devices.list().then((d) => d.cameras.find((c) => c.active).id === cameras[1].id)`)
	connects(alice, bob, "{ video: true }")
	alice.until("uses what was chosen before", "uses('camera') === cameras[1].id && uses('microphone') === microphone.id")
	alice.run("call.flipCamera()")
	alice.until("uses the other camera", "uses('camera') === cameras[0].id")
	bob.until("sees it", "grows(decoded)")
	alice.run("client.devices.choose('camera', cameras[1].id)")
	alice.until("uses the first again, and its list says so", "uses('camera') === cameras[1].id && client.devices.getSnapshot().cameras.find((c) => c.active).id === cameras[1].id && lists > 1")
	alice.run("call.setProfile({ video: { width: 320, height: 240, frameRate: 10 } })")
	alice.until("sends smaller pictures", "call.camera.getSettings().width === 320")
	for _, p := range []*page{alice, bob} {
		p.takesPart()
		p.until("has levels of its microphone and of the other side", "call.microphoneLevel > 0 && call.microphoneLevel <= 1 && call.remoteLevel > 0 && call.remoteLevel <= 1")
	}
	bob.run("call.setVolume(0.5)")
	bob.until("plays at half the volume", "call.getSnapshot().state === 'connected'")
	alice.run("call.setMicrophone(false)")
	alice.until("is silent", "call.microphoneLevel === 0 && !call.getSnapshot().microphoneOn")
	alice.run("call.hangup()")
	bob.until("is over", `call.end?.reason === "completed"`)

	if err := chromedp.Do(alice.ctx, chromedp.Reload()); err != nil {
		t.Fatal(err)
	}
	alice.logIn(s, "alice", "{ rememberDevices: true }")
	alice.run(`window.uses = (kind) => call[kind]?.getSettings().deviceId`)
	connects(bob, alice, "{ video: true }")
	alice.until("remembers them", `client.devices.list().then(({ cameras }) => {
		const [first, , third] = cameras;
		return uses("camera") === third.id && uses("camera") !== first.id;
	})`)
	alice.run("call.hangup()")
}

// keepSounds has a page keep what it plays: contexts of Web Audio, and sounds from files.
const keepSounds = `(() => {
	Object.assign(window, { contexts: [], sounds: [], silent: [] });
	window.AudioContext = class extends AudioContext { constructor(...a) { super(...a); contexts.push(this); } };
	window.Audio = class extends Audio { constructor(...a) { super(...a); sounds.push(this); } };
	window.rings = () => contexts.some((c) => c.state === "running") || sounds.some((s) => !s.paused && s.currentTime > 0);
	window.listen = () => client.on("ringtoneBlocked", (on) => silent.push(on)) && 0;
})()`

// A page rings where it was asked to, by a file or by itself, until it does not ring any
// more; one that the browser keeps silent says so, and sounds after a click.
func TestRingtones(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	browser := startBrowser(t)
	strict := startBrowser(t, chromedp.Flag("autoplay-policy", "document-user-activation-required"))
	firefox := startFirefoxWith(t, `user_pref("media.autoplay.default", 5);`+"\n"+`user_pref("media.autoplay.blocking_policy", 0);`+"\n")
	caller := open(t, browser, app.URL)
	caller.run(keepSounds)
	caller.logIn(s, "caller", "{ ringback: true }")
	sound, err := os.ReadFile("../cmd/peal/tone.ogg")
	if err != nil {
		t.Fatal(err)
	}
	file := strconv.Quote("data:audio/ogg;base64," + base64.StdEncoding.EncodeToString(sound))
	inFirefox := func(t *testing.T) *page {
		tab, err := firefox.open(app.URL)
		if err != nil {
			t.Fatal(err)
		}
		return &page{t: t, firefox: tab}
	}
	for _, c := range []struct {
		name     string
		page     func(t *testing.T) *page
		ringtone string
		blocked  bool
	}{
		{"tone", func(t *testing.T) *page { return open(t, browser, app.URL) }, "true", false},
		{"file", func(t *testing.T) *page { return open(t, browser, app.URL) }, file, false},
		{"tone, blocked in Chromium", func(t *testing.T) *page { return open(t, strict, app.URL) }, "true", true},
		{"file, blocked in Chromium", func(t *testing.T) *page { return open(t, strict, app.URL) }, file, true},
		// Of its own it makes no sound on a machine that has no speaker.
		{"file, blocked in Firefox", inFirefox, file, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			callee := c.page(t)
			callee.run(keepSounds)
			callee.logIn(s, "callee", fmt.Sprintf("{ ringtone: %s }", c.ringtone))
			callee.run("listen()")
			caller.run(`follow(client.call("callee"))`)
			callee.until("is called", `call?.state === "ringing"`)
			caller.until("hears that it rings there", "rings()")
			if c.blocked {
				callee.until("says that it is silent", `silent.join() === "true" && !rings()`)
				callee.takesPart()
				callee.until("rings after a click", `silent.join() === "true,false" && rings()`)
			} else {
				callee.until("rings", `rings() && silent.length === 0`)
			}
			callee.run("call.accept()")
			for _, p := range []*page{caller, callee} {
				p.until("does not ring any more", `call.state !== "ringing" && !rings()`)
			}
			caller.run("call.hangup()")
			caller.run(`follow(client.call("callee"))`)
			caller.until("hears that it rings again", "rings()")
			caller.run("call.cancel()")
			caller.until("hears nothing any more", "!rings()")
			callee.until("is silent", `call.end?.reason === "cancelled" && !rings()`)
			callee.run("client.close()")
		})
	}
	t.Run("a file that is none", func(t *testing.T) {
		callee := open(t, browser, app.URL)
		callee.logIn(s, "callee", `{ ringtone: "/nothing.ogg" }`)
		callee.run(`client.on("error", (e) => { window.failed = e; }); 0`)
		caller.run(`follow(client.call("callee"))`)
		callee.until("is told", `window.failed?.code === "ringtone_failed" && call.state === "ringing"`)
		caller.run("call.cancel()")
	})
}

// The component API has the same: both people hear of a screen by onScreenShare.
func TestScreenShareOfTheComponent(t *testing.T) {
	_, alice, bob := pair(t, "")
	for _, p := range []*page{alice, bob} {
		p.run(`window.screens = []; rtc.on("onScreenShare", (e) => screens.push(e.userId + e.available)); 0`)
	}
	alice.until("needs a call for it", `rtc.shareScreen().then(() => false, (e) => e.code === "103")`)
	talk(t, alice, bob, 2)
	alice.run("rtc.shareScreen()")
	for _, p := range []*page{alice, bob} {
		p.until("hears of the screen", `screens.join() === "alicetrue"`)
	}
	bob.seesAndHears(30)
	alice.run("rtc.stopScreenShare()")
	for _, p := range []*page{alice, bob} {
		p.until("hears of its end", `screens.join() === "alicetrue,alicefalse"`)
	}
	bob.until("sees the camera again", `log.filter((e) => e.name === "onCameraAvailable").at(-1).args[0].available === true && log.filter((e) => e.name === "onCameraAvailable").length > 2`)
	alice.skip()
	bob.skip()
	hangUp(bob, alice)
}

// The same in Firefox, whose made-up devices are one of each kind.
func TestCoreDevicesInFirefox(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	firefox, chromium := mixedPair(t, app)
	firefox.logIn(s, "fiona", "{ rememberDevices: true }")
	chromium.logIn(s, "chris", "{}")
	firefox.run(`(async () => {
		window.lists = 0;
		client.devices.subscribe(() => lists++);
		(await navigator.mediaDevices.getUserMedia({ audio: true, video: true })).getTracks().forEach((t) => t.stop());
		window.listed = await client.devices.list();
		await client.devices.choose("camera", listed.cameras[0].id);
		await client.devices.choose("microphone", listed.microphones[0].id);
	})()`)
	firefox.until("lists one of each, active", `listed.cameras.length > 0 && listed.microphones.length > 0 &&
		[listed.cameras, listed.microphones].every((l) => l.filter((d) => d.active).length === 1 && l[0].label !== "") && lists > 0`)
	connects(firefox, chromium, "{ video: true }")
	firefox.until("uses what was chosen", "call.camera.getSettings().deviceId === listed.cameras[0].id")
	firefox.until("is told that there is no such camera", `client.devices.choose("camera", "none").then(() => false, (e) => e.code === "camera_missing")`)
	firefox.until("has no other camera", `call.flipCamera().then(() => false, (e) => e.code === "camera_missing")`)
	firefox.run("call.setProfile({ video: { width: 320, height: 240, frameRate: 10 } })")
	chromium.until("still sees it", "call.remoteTracks.video && grows(decoded)")
	firefox.until("knows how loud the other side is", "call.remoteLevel > 0 && call.remoteLevel <= 1")
	chromium.until("knows how loud the other side is", "call.remoteLevel > 0 && call.remoteLevel <= 1")
	firefox.run("call.hangup()")
	chromium.until("is over", `call.end?.reason === "completed"`)
}
