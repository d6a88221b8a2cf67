package e2e_test

import (
	"fmt"
	"testing"
	"time"
)

// start runs a method whose promise another device decides about.
func (p *page) start(method, args string) {
	p.t.Helper()
	p.run(fmt.Sprintf("void did(%q, %s)", method, args))
}

// A video call becomes an audio call at once, and a video call again when the
// other side agrees.
func TestSwitchCallType(t *testing.T) {
	_, alice, bob := pair(t, "")
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	noCamera := `rtc.getSdkInstance().rtcClient.adapterRef.localStream.mediaStream.getVideoTracks().length === 0`

	alice.run(`did("switchCallType", 1)`)
	alice.expect("switchCallType()")
	if kind := arg[int](t, bob.expect("onCallTypeChange")[0]); kind != 1 {
		t.Errorf("onCallTypeChange gave %d", kind)
	}
	bob.expect("onCameraAvailable")
	alice.expect("onCameraAvailable")
	for _, p := range []*page{alice, bob} {
		p.until("shows no frozen picture", `document.querySelector("#remote video").style.visibility === "hidden"`)
		p.until("has closed its camera", noCamera)
		p.hears()
	}

	// Asked and refused.
	bob.start("switchCallType", "2")
	ask := arg[struct {
		UserID string `json:"userId"`
		Type   int    `json:"type"`
		Active bool   `json:"active"`
	}](t, alice.expect("onCallTypeRequest")[0])
	if ask.UserID != "bob" || ask.Type != 2 || !ask.Active {
		t.Errorf("onCallTypeRequest gave %+v", ask)
	}
	alice.run(`did("switchCallType", 1)`)
	alice.expect("switchCallType()")
	if code := arg[string](t, bob.expect("switchCallType() failed")[0]); code != "10409" {
		t.Errorf("a refusal gives the code %s", code)
	}
	alice.until("has its camera closed still", noCamera)

	// Asked and taken back.
	bob.start("switchCallType", "2")
	alice.expect("onCallTypeRequest")
	bob.run(`did("switchCallType", 1)`)
	if ask := arg[struct{ Active bool }](t, alice.expect("onCallTypeRequest")[0]); ask.Active {
		t.Error("the request goes on after it was taken back")
	}
	bob.until("has both promises settled", `log.slice(-2).map((e) => e.name).sort().join() === "switchCallType(),switchCallType() failed"`)
	bob.skip()

	// Asked and agreed to, on the connection that there is.
	frames := alice.stats().Frames
	bob.start("switchCallType", "2")
	alice.expect("onCallTypeRequest")
	alice.run(`did("switchCallType", 2)`)
	alice.expect("switchCallType()")
	if kind := arg[int](t, bob.expect("onCallTypeChange")[0]); kind != 2 {
		t.Errorf("onCallTypeChange gave %d", kind)
	}
	bob.expect("switchCallType()", "onCameraAvailable")
	alice.expect("onCameraAvailable")
	alice.seesAndHears(frames + 30)
	bob.seesAndHears(30)
	alice.until("shows the picture again", `document.querySelector("#remote video").style.visibility === ""`)
	if n, err := evaluate[int](alice, "pcs.length"); err != nil || n != 1 {
		t.Errorf("%d peer connections, %v, want 1", n, err)
	}
	hangUp(alice, bob)

	// From an audio call as well.
	talk(t, bob, alice, 1)
	alice.start("switchCallType", "2")
	bob.expect("onCallTypeRequest")
	bob.run(`did("switchCallType", 2)`)
	alice.until("sees a video call", `log.some((e) => e.name === "onCameraAvailable")`)
	alice.seesAndHears(30)
	bob.seesAndHears(30)
}

// The profile becomes real settings of camera and encoder, for one call.
func TestCallProfile(t *testing.T) {
	_, alice, bob := pair(t, "")
	alice.run(`rtc.setCallProfile({resolution: 2, frameRate: 2, quality: "speech_low_quality", recordConfig: {recordVideo: true}})`)
	bob.run(`rtc.setCallProfile({quality: "high_quality_stereo"})`)
	talk(t, alice, bob, 2)
	bob.seesAndHears(10)
	type sent struct {
		Width, Height, FrameRate, Video, Frames, Audio float64
		Stereo                                         bool
	}
	settings := `(() => {
		const pc = pcs.at(-1), senders = pc.getSenders();
		const of = (kind) => senders.find((s) => s.track?.kind === kind);
		const camera = of("video").track.getSettings();
		const e = (kind) => of(kind).getParameters().encodings[0] ?? {};
		return {Width: camera.width, Height: camera.height, FrameRate: camera.frameRate, Video: e("video").maxBitrate ?? 0,
			Frames: e("video").maxFramerate ?? 0, Audio: e("audio").maxBitrate ?? 0, Stereo: /stereo=1/.test(pc.localDescription.sdp)};
	})()`
	check := func(p *page, want sent) {
		t.Helper()
		p.until("sends sound and a picture", `["audio", "video"].every((kind) => pcs.at(-1).getSenders().some((s) => s.track?.kind === kind))`)
		got, err := evaluate[sent](p, settings)
		if want.Width == 0 {
			got.Width, got.Height, got.FrameRate = 0, 0, 0
		}
		if err != nil || got != want {
			t.Errorf("%s sends %+v, %v, want %+v", p.account, got, err, want)
		}
	}
	check(alice, sent{320, 180, 10, 291_667, 10, 20_000, false})
	// Both pages share one made-up camera: who opens it second gets what the first one set.
	check(bob, sent{0, 0, 0, 0, 0, 128_000, true})
	bob.until("is sent a small picture", `document.querySelector("#remote video").videoWidth === 320`)
	alice.until("is sent a large one", `document.querySelector("#remote video").videoWidth >= 320 && rtc.callStatus === 3`)
	hangUp(alice, bob)
	talk(t, alice, bob, 2)
	check(alice, sent{640, 480, 20, 0, 0, 0, false})
	check(bob, sent{640, 480, 20, 0, 0, 0, false})

	alice.run(`rtc.setCallProfile({resolution: 3})`)
	if e := alice.expect("onError")[0]; len(e.Args) == 0 {
		t.Error("onError without an error")
	} else if got := arg[struct{ Code, Message string }](t, e); got.Code != "100" || got.Message == "" {
		t.Errorf("a resolution that is none gives %+v", got)
	}
}

// Every kind of muting and closing, and what the other side hears of it.
func TestMuteAndEnable(t *testing.T) {
	_, alice, bob := pair(t, "")
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	for _, step := range []struct {
		method    string
		arg       bool
		event     string
		field     string
		wantValue bool
	}{
		{"muteLocalVideo", true, "onVideoMuted", "muted", true},
		{"muteLocalVideo", false, "onVideoMuted", "muted", false},
		{"muteLocalAudio", true, "onAudioMuted", "muted", true},
		{"muteLocalAudio", false, "onAudioMuted", "muted", false},
		{"enableLocalVideo", false, "onCameraAvailable", "available", false},
		{"enableLocalVideo", true, "onCameraAvailable", "available", true},
		{"enableLocalAudio", false, "onAudioAvailable", "available", false},
		{"enableLocalAudio", true, "onAudioAvailable", "available", true},
	} {
		alice.run(fmt.Sprintf("did(%q, %v)", step.method, step.arg))
		alice.expect(step.method + "()")
		got := arg[map[string]any](t, bob.expect(step.event)[0])
		if got["userId"] != "alice" || got[step.field] != step.wantValue {
			t.Errorf("%s(%v) gave %s %v", step.method, step.arg, step.event, got)
		}
	}
	bob.seesAndHears(bob.stats().Frames + 10)

	// Muted here alone, of which the other side hears nothing.
	bob.run(`did("setAudioMute", true, "alice")`)
	bob.expect("setAudioMute()")
	bob.run(`did("setAudioMute", true, "carol")`)
	if code := arg[string](t, bob.expect("setAudioMute() failed")[0]); code != "105" {
		t.Errorf("muting a stranger gives %s", code)
	}
	hangUp(alice, bob)
}

// The handles that pages reach for behind the component do what they say.
func TestSdkInstance(t *testing.T) {
	_, alice, bob := pair(t, "")
	if ok, err := evaluate[bool](alice, `(() => {
		const { signal, rtcClient } = rtc.getSdkInstance();
		return signal.account === "alice" && rtcClient.adapterRef.localStream === null && Object.keys(rtcClient.adapterRef.remoteStreamMap).length === 0;
	})()`); err != nil || !ok {
		t.Errorf("without a call the handles are wrong: %v", err)
	}
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	bob.seesAndHears(30)
	alice.run(`(() => {
		const uid = Number(Object.keys(rtc.userMap).find((u) => rtc.userMap[u] === "bob"));
		window.remote = rtc.getSdkInstance().rtcClient.adapterRef.remoteStreamMap[uid];
		window.mine = rtc.getSdkInstance().rtcClient.adapterRef.localStream;
	})()`)
	alice.run(`mine.muteAudio()`)
	bob.expect("onAudioMuted")
	alice.run(`mine.unmuteAudio()`)
	bob.expect("onAudioMuted")
	alice.run(`mine.muteVideo()`)
	bob.expect("onVideoMuted")
	alice.run(`mine.unmuteVideo()`)
	bob.expect("onVideoMuted")

	// What is sent at no volume cannot be heard, and at full volume again can.
	energy := `(async () => { const before = (await stats()).energy; await new Promise((r) => setTimeout(r, 500)); return (await stats()).energy - before; })()`
	alice.run(`mine.setCaptureVolume(0)`)
	bob.until("hears nothing any more", energy+".then((e) => e < 1e-6)")
	alice.run(`mine.setCaptureVolume(100)`)
	bob.until("hears again", energy+".then((e) => e > 1e-6)")

	alice.run(`remote.setAudioVolume(30); remote.muteAudio(); remote.unmuteAudio(); mine.setLocalRenderMode({width: 160, height: 90, cut: false}); remote.setRemoteRenderMode({cut: true})`)
	alice.until("shows its picture as told", `(() => {
		const own = document.querySelector("#local video"), other = document.querySelector("#remote video");
		return own.style.width === "160px" && own.style.height === "90px" && own.style.objectFit === "contain" && other.style.objectFit === "cover";
	})()`)
	if failed, err := evaluate[string](alice, `(() => { try { remote.setAudioVolume(101); return ""; } catch (e) { return e.code; } })()`); err != nil || failed != "100" {
		t.Errorf("a volume of 101 gives %q, %v", failed, err)
	}
	if n, err := evaluate[[]int](alice, `(async () => { const w = rtc.getSdkInstance().WebRTC2; const d = await w.getDevices();
		return [(await w.getCameras()).length, (await w.getMicrophones()).length, (await w.getSpeakers()).length, d.video.length]; })()`); err != nil || n[0] == 0 || n[1] == 0 || n[3] != n[0] {
		t.Errorf("the devices are %v, %v", n, err)
	}
	room, err := evaluate[struct {
		ChannelID string `json:"channelId"`
		Creator   string `json:"creator"`
		UID       int    `json:"uid"`
		Members   []struct {
			UID     int    `json:"uid"`
			Account string `json:"account"`
			Accid   string `json:"accid"`
		} `json:"members"`
	}](bob, "rtc.getRoomInfo()")
	if err != nil || room.ChannelID == "" || room.Creator != "alice" || len(room.Members) != 2 || room.Members[0].UID != room.UID || room.Members[1].Accid != "alice" {
		t.Errorf("getRoomInfo gave %+v, %v", room, err)
	}
	hangUp(alice, bob)
}

// A device in use is switched, and when it is unplugged another takes its place.
func TestDevices(t *testing.T) {
	_, alice, bob := pair(t, "")
	talk(t, alice, bob, 2)
	bob.seesAndHears(30)
	type list struct {
		AudioIn, AudioOut, Video []struct {
			Label, DeviceID string
			Active          bool
		}
	}
	devices, err := evaluate[list](alice, "rtc.getDevices()")
	if err != nil || len(devices.AudioIn) == 0 || len(devices.Video) == 0 {
		t.Fatalf("getDevices gave %+v, %v", devices, err)
	}
	active := func() string {
		t.Helper()
		label, err := evaluate[string](alice, `rtc.getDevices().then((d) => d.audioIn.find((x) => x.active)?.deviceId ?? "")`)
		if err != nil {
			t.Fatal(err)
		}
		return label
	}
	was := active()
	other := ""
	for _, d := range devices.AudioIn {
		if d.DeviceID != was {
			other = d.DeviceID
		}
	}
	if was == "" || other == "" {
		t.Fatalf("one microphone of %+v is to be active and another not", devices.AudioIn)
	}
	alice.run(fmt.Sprintf(`did("switchDevice", "microphoneId", %q)`, other))
	alice.expect("switchDevice()")
	if now := active(); now != other {
		t.Errorf("the microphone is %s, want %s", now, other)
	}
	alice.run(`did("switchDevice", "cameraId", "no such camera")`)
	if code := arg[string](t, alice.expect("switchDevice() failed")[0]); code != "114" {
		t.Errorf("a camera that is not there gives %s", code)
	}

	// Unplugged: the browser ends the track. Nothing else of it can be had here.
	alice.run(`(() => { const t = rtc.getSdkInstance().rtcClient.adapterRef.localStream.mediaStream.getVideoTracks()[0];
		t.stop(); t.dispatchEvent(new Event("ended")); })()`)
	if lost := arg[struct{ Code, Message string }](t, alice.expect("onError")[0]); lost.Code != "114" || lost.Message == "" {
		t.Errorf("onError gave %+v", lost)
	}
	frames := bob.stats().Frames
	bob.seesAndHears(frames + 30)

	// With no other device left the other side is notified that there is none.
	alice.run(`navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("none", "NotFoundError"))`)
	alice.run(`(() => { const t = rtc.getSdkInstance().rtcClient.adapterRef.localStream.mediaStream.getVideoTracks()[0];
		t.stop(); t.dispatchEvent(new Event("ended")); })()`)
	alice.expect("onError")
	eventually(t, 20*time.Second, "the other side hears that there is no camera", func() bool {
		for _, e := range bob.log()[bob.seen:] {
			if e.Name == "onCameraAvailable" && !arg[struct{ Available bool }](t, e).Available {
				return true
			}
		}
		return false
	})
	bob.skip()
	hangUp(alice, bob)
}
