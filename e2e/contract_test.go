package e2e_test

import (
	"fmt"
	"testing"
)

// contract is what pages of the original rely on, checked in a page that is logged in.
// Each check throws where it does not hold.
var contract = []struct{ what, script string }{
	{"a listener has the instance or its context as this", `
		const seen = [], context = {};
		function listener() { seen.push(this); }
		rtc.on("onCallEnd", listener);
		rtc.once("onCallEnd", listener, context);
		rtc.emit("onCallEnd");
		rtc.off("onCallEnd", listener);
		if (seen[0] !== rtc || seen[1] !== context) throw new Error("this is another");
		if (rtc.listeners("onCallEnd").includes(listener)) throw new Error("it is still there");`},
	{"a listener that is no function throws", `
		let thrown = null;
		try { rtc.on("onCallEnd", null); } catch (e) { thrown = e; }
		if (!(thrown instanceof TypeError)) throw new Error("nothing was thrown");`},
	{"getRoomInfo rejects without a call", `
		const code = await rtc.getRoomInfo().then(() => "", (e) => e.code);
		if (code !== "103") throw new Error("code " + code);`},
	{"a long text is refused and costs nothing", `
		const e = await rtc.call({ userId: "bob", type: 1, attachment: "x".repeat(100_000) }).then(() => null, (e) => e);
		if (!e.message.startsWith("limit_exceeded")) throw new Error(JSON.stringify(e));
		if (rtc.callStatus !== 0) throw new Error("it calls");`},
	{"promises that nobody handles are no errors of the page", `
		rtc.getRoomInfo(); rtc.enableLocalVideo(true); rtc.setAudioMute(true, "nobody"); rtc.switchDevice("cameraId", "x");
		await new Promise((resolve) => setTimeout(resolve, 100));`},
	{"a callback that throws changes nothing", `
		await rtc.login({ account: rtc.getSdkInstance().signal.account, token: "unused", onconnect() { throw new Error("of the page"); } });
		const [reported] = failures.splice(0);
		if (!/of the page/.test(reported)) throw new Error("reported: " + reported);`},
}

// inACall is what holds while the page is in a call that it made.
var inACall = []struct{ what, script string }{
	{"login again keeps the call", `
		let connects = 0;
		await rtc.login({ account: rtc.getSdkInstance().signal.account, token: "unused", onconnect: () => connects++ });
		if (rtc.callStatus !== 3 || connects !== 1) throw new Error(rtc.callStatus + " " + connects);`},
	{"a handle that was taken before shows the streams", `
		const { localStream, remoteStreamMap } = adapter;
		const [remote] = Object.values(remoteStreamMap);
		if (localStream !== adapter.localStream || remote !== Object.values(adapter.remoteStreamMap)[0]) throw new Error("handles change");
		if (!localStream.hasVideo() || !remote.hasVideo() || remote.getVideoTrack().readyState !== "live") throw new Error("no picture");
		remote.setAudioVolume();
		await new Promise((resolve) => setTimeout(resolve, 2500));
		if (!(localStream.getAudioLevel() > 0 || remote.getAudioLevel() > 0)) throw new Error("no level");
		if (!fired.includes("peer-online") || !fired.includes("stream-added") || !fired.includes("network-quality")) throw new Error(fired.join());`},
	{"the room is of this call", `
		const room = await rtc.getRoomInfo();
		const age = Date.now() - Number(room.channelCreateTime);
		if (typeof room.channelCreateTime !== "string" || age < 0 || age > 60_000) throw new Error(JSON.stringify(room));`},
}

// Pages of the original rely on these in Chromium and in Firefox.
func TestContract(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	alice, bob := device(t, startBrowser(t), app, s, "alice", ""), inFirefox(t, startFirefox(t), app, s, "bob", "")
	check := func(p *page, what, script string) {
		t.Helper()
		got, err := evaluate[string](p, fmt.Sprintf(`(async () => { %s })().then(() => "", (e) => e.message)`, script))
		if err != nil || got != "" {
			t.Errorf("%s: %s: %s %v", p.account, what, got, err)
		}
	}
	pages := []*page{alice, bob}
	for _, p := range pages {
		for _, c := range contract {
			check(p, c.what, c.script)
		}
		p.run(`window.fired = [];
			const { rtcClient } = rtc.getSdkInstance();
			window.adapter = rtcClient.adapterRef;
			for (const name of ["peer-online", "peer-leave", "stream-added", "network-quality", "channel-closed"])
				rtcClient.on(name, () => fired.push(name));
			log.length = 0; 0`)
		p.seen = 0
	}
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	bob.seesAndHears(30)
	for _, p := range pages {
		for _, c := range inACall {
			check(p, c.what, c.script)
		}
	}
	alice.does("hangup")
	for _, p := range pages {
		p.until("is idle", `rtc.callStatus === 0 && fired.includes("peer-leave") && fired.at(-1) === "channel-closed"`)
	}
}
