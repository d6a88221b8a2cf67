package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// keepTracks has a page keep what it asks of the browser and every track that
// it gets. The second made-up camera gives depth, which nobody encodes. While
// `gate` is a promise that has not settled no device opens, and the device with
// the id in `gone` is unplugged.
const keepTracks = `(() => {
	Object.assign(window, {asked: [], tracks: [], gate: null, gone: "", sinks: []});
	const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
	media.getUserMedia = async (c) => {
		asked.push(c);
		if (gone && JSON.stringify(c).includes(gone)) throw new OverconstrainedError("deviceId");
		const stream = await open(c);
		tracks.push(...stream.getTracks());
		await gate;
		return stream;
	};
	const sink = AudioContext.prototype.createMediaStreamDestination;
	AudioContext.prototype.createMediaStreamDestination = function () {
		const node = sink.call(this);
		tracks.push(...node.stream.getTracks());
		return node;
	};
	const choose = HTMLMediaElement.prototype.setSinkId;
	HTMLMediaElement.prototype.setSinkId = function (id) { sinks.push(id); return choose.call(this, id); };
	window.live = (kind) => tracks.filter((t) => t.readyState === "live" && (!kind || t.kind === kind));
	window.uses = (kind) => live(kind).map((t) => t.getSettings().deviceId).join();
	window.cameras = async () => (await rtc.getDevices()).video.filter((d) => d.label !== "fake_device_1").map((d) => d.deviceId);
	window.shutGate = () => { gate = new Promise((r) => { window.openGate = r; }); };
})()`

// twoCameras is a pair whose browser has two cameras, and keeps its tracks.
func twoCameras(t *testing.T) (alice, bob *page) {
	t.Helper()
	s := startServer(t)
	browser := startBrowser(t, chromedp.Flag("use-fake-device-for-media-stream", "device-count=3"))
	app := application(t, s)
	alice, bob = device(t, browser, app, s, "alice", ""), device(t, browser, app, s, "bob", "")
	alice.run(keepTracks)
	return alice, bob
}

// value gives the text of an expression.
func (p *page) value(expression string) string {
	p.t.Helper()
	text, err := evaluate[string](p, expression)
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.account, expression, err)
	}
	return text
}

// switches chooses a device, which works.
func (p *page) switches(kind, id string) {
	p.t.Helper()
	p.run(fmt.Sprintf(`did("switchDevice", %q, %q)`, kind, id))
	p.expect("switchDevice()")
}

// otherCamera is the id of a camera that is not in use.
func (p *page) otherCamera() string {
	p.t.Helper()
	return p.value(`cameras().then((all) => all.find((id) => id !== uses("video")))`)
}

const closed = `live().length === 0 && pcs.every((pc) => pc.getReceivers().every((r) => r.track.readyState === "ended"))`

// A choice opens nothing that is closed, and holds for what opens later, with
// the profile: in this call, and in the next one.
func TestChoiceHolds(t *testing.T) {
	alice, bob := twoCameras(t)
	alice.run(`rtc.setCallProfile({resolution: 2, frameRate: 2})`)
	talk(t, alice, bob, 2)
	bob.seesAndHears(10)
	camera := alice.otherCamera()
	alice.switches("cameraId", camera)
	settings := `(() => { const s = live("video")[0].getSettings(); return [s.deviceId, s.width, s.height, s.frameRate].join(" "); })()`
	if got, want := alice.value(settings), camera+" 320 180 10"; got != want {
		t.Errorf("the camera that was chosen is %s, want %s", got, want)
	}
	enable := func(what string, on bool) {
		t.Helper()
		alice.run(fmt.Sprintf("did(%q, %v)", what, on))
		alice.expect(what + "()")
	}
	enable("enableLocalVideo", false)
	bob.expect("onCameraAvailable")
	first := alice.otherCamera()
	if first == camera {
		first = alice.value(fmt.Sprintf(`cameras().then((all) => all.find((id) => id !== %q))`, camera))
	}
	alice.switches("cameraId", first)
	alice.switches("cameraId", camera)
	alice.until("has its camera closed", `live("video").length === 0`)
	enable("enableLocalVideo", true)
	bob.expect("onCameraAvailable")
	if got, want := alice.value(settings), camera+" 320 180 10"; got != want {
		t.Errorf("the camera that was opened again is %s, want %s", got, want)
	}

	enable("enableLocalAudio", false)
	bob.expect("onAudioAvailable")
	microphone := alice.value(`rtc.getDevices().then((d) => d.audioIn.at(-1).deviceId)`)
	alice.switches("microphoneId", microphone)
	alice.until("has its microphone closed", `live("audio").length === 0`)
	enable("enableLocalAudio", true)
	bob.expect("onAudioAvailable")
	if got := alice.value(`uses("audio")`); got != microphone {
		t.Errorf("the microphone is %s, want %s", got, microphone)
	}
	hangUp(alice, bob)
	alice.until("has no device open", closed)
	talk(t, bob, alice, 2)
	bob.seesAndHears(10)
	if got, want := alice.value(`uses("audio") + " " + uses("video")`), microphone+" "+camera; got != want {
		t.Errorf("the next call uses %s, want %s", got, want)
	}
	alice.run(`rtc.getSdkInstance().rtcClient.adapterRef.localStream.setCaptureVolume(40)`)
	alice.until("sends what is louder or quieter", `pcs.at(-1).getSenders().some((s) => s.track?.kind === "audio" && s.track !== live("audio")[0])`)
	hangUp(alice, bob)
	alice.until("has no device open", closed)

	// A choice that is gone leaves the others.
	alice.run(fmt.Sprintf(`gone = %q`, camera))
	talk(t, bob, alice, 2)
	bob.seesAndHears(10)
	if got := alice.value(`uses("audio")`); got != microphone {
		t.Errorf("without the camera that was chosen the microphone is %s, want %s", got, microphone)
	}
}

// A choice of a camera does not make an audio call a video call, undoes neither
// a mute nor the closing of a camera, and outlives no call.
func TestChoiceOpensNothing(t *testing.T) {
	alice, bob := twoCameras(t)
	talk(t, alice, bob, 1)
	alice.hears()
	camera := alice.value(`cameras().then((all) => all.at(-1))`)
	alice.switches("cameraId", camera)
	alice.until("opens no camera", `asked.every((c) => !c.video) && live("video").length === 0`)
	alice.start("switchCallType", "2")
	bob.expect("onCallTypeRequest")
	bob.run(`did("switchCallType", 2)`)
	bob.seesAndHears(10)
	alice.until("uses the camera that was chosen", fmt.Sprintf(`uses("video") === %q`, camera))
	alice.until("has switched", `log.some((e) => e.name === "onCameraAvailable")`)
	alice.skip()
	bob.skip()

	alice.run(`did("muteLocalAudio", true); did("muteLocalVideo", true)`)
	bob.expect("onAudioMuted", "onVideoMuted")
	alice.expect("muteLocalAudio()", "muteLocalVideo()")
	alice.switches("cameraId", alice.otherCamera())
	alice.switches("microphoneId", alice.value(`rtc.getDevices().then((d) => d.audioIn.find((x) => !x.active).deviceId)`))
	alice.until("is muted still", `live().length === 2 && live().every((t) => !t.enabled)`)

	// Closed while the choice opens.
	camera = alice.otherCamera()
	alice.run(`shutGate()`)
	alice.start("switchDevice", fmt.Sprintf(`"cameraId", %q`, camera))
	alice.until("opens the camera", `live("video").length === 2`)
	alice.run(`did("enableLocalVideo", false)`)
	alice.expect("enableLocalVideo()")
	bob.expect("onCameraAvailable")
	alice.run(`openGate()`)
	alice.expect("switchDevice()")
	alice.until("has its camera closed", `live("video").length === 0`)

	// Over while the choice opens.
	microphone := alice.value(`rtc.getDevices().then((d) => d.audioIn.find((x) => !x.active).deviceId)`)
	alice.run(`shutGate()`)
	alice.start("switchDevice", fmt.Sprintf(`"microphoneId", %q`, microphone))
	alice.until("opens the microphone", `live("audio").length === 2`)
	alice.does("hangup")
	bob.expect("onUserLeave", "onCallEnd")
	alice.until("is idle", `rtc.callStatus === 0`)
	alice.run(`openGate()`)
	alice.until("has no device open", closed)
}

// Devices of different kinds may have the same id. Exactly one of each kind is
// active, and the way back to the system's own is open.
func TestActiveDevices(t *testing.T) {
	alice, bob := twoCameras(t)
	talk(t, alice, bob, 2)
	alice.seesAndHears(10)
	one := func() {
		t.Helper()
		lists := `rtc.getDevices().then((d) => [d.audioIn, d.audioOut, d.video].map((l) => l.filter((x) => x.active).length).join())`
		if got := alice.value(lists); got != "1,1,1" {
			t.Errorf("of microphones, speakers and cameras %s are active", got)
		}
	}
	speaker := func(want string) {
		t.Helper()
		if got := alice.value(`rtc.getDevices().then((d) => d.audioOut.find((x) => x.active).deviceId)`); got != want {
			t.Errorf("the speaker %s is active, want %s", got, want)
		}
	}
	one()
	speaker("default")
	other := alice.value(`rtc.getDevices().then((d) => d.audioOut.at(-1).deviceId)`)
	alice.switches("speakerId", other)
	one()
	speaker(other)
	alice.switches("speakerId", "default")
	one()
	speaker("default")
	if got, want := alice.value(`sinks.join()`), other+","; got != want {
		t.Errorf("the sound went to %q, want %q", got, want)
	}
	alice.switches("speakerId", other)
	if got := alice.value(`rtc.switchDevice("speakerId", "none").then(() => "", (e) => e.code + " " + e.message)`); !strings.HasPrefix(got, "114 there is no speaker") {
		t.Errorf("a speaker that is not there gives %q", got)
	}
	speaker(other)
	hangUp(alice, bob)
	talk(t, alice, bob, 1)
	one()
	speaker(other)
	if got, want := alice.value(`sinks.at(-1)`), other; got != want {
		t.Errorf("the sound of the next call goes to %q, want %q", got, want)
	}
	hangUp(alice, bob)
}
