package e2e_test

import (
	"fmt"
	"testing"
)

// typedClient logs a page in with the typed core, which answers every call. hush(true) makes the
// microphone give silence, as the switch of a headset does: the SDK does not see it.
func typedClient(s *server, p *page, account string) *page {
	p.t.Helper()
	p.account = account
	p.run(`(() => {
		const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
		const { set } = Object.getOwnPropertyDescriptor(MediaStreamTrack.prototype, "enabled");
		navigator.mediaDevices.getUserMedia = async (constraints) => {
			const stream = await native(constraints);
			const microphone = stream.getAudioTracks()[0];
			window.hush = (on) => set.call(microphone, !on);
			hush(query.has("hushed"));
			Object.defineProperty(microphone, "enabled", { get: () => true, set: () => {} });
			return stream;
		};
		window.warned = [];
		window.follow = (call) => {
			window.current = call;
			call.on("qualityWarning", (warning, on) => warned.push((on ? "+" : "-") + warning));
			call.on("quality", (quality) => {
				if (quality !== call.quality) failures.push("the event has another quality than the call");
				log.push({ name: "quality", args: [quality], at: Date.now() });
			});
		};
	})()`)
	p.run(fmt.Sprintf(`(async () => {
		window.client = new Peal.PealClient({ server: %q, getToken: () => %q });
		client.on("incoming", (call) => { follow(call); void call.accept(); });
		await client.connect();
	})()`, s.url(), s.token(account)))
	return p
}

// warns waits until a warning has begun (+) and ended (-) as often as that.
func (p *page) warns(warning, want string) {
	p.t.Helper()
	p.until("has the warning "+warning+" "+want, fmt.Sprintf(`warned.filter((w) => w.slice(1) === %q).map((w) => w[0]).join("") === %q`, warning, want))
}

// Quality has the numbers of a call on one machine, and warnings begin and end, in Chromium and
// in Firefox.
func TestQuality(t *testing.T) {
	s := startServer(t, "--turn-addr", freeAddr(t))
	app, browser, firefox := application(t, s), startBrowser(t), startFirefox(t)
	pair := func(query string) (alice, bob *page) {
		alice = typedClient(s, open(t, browser, app.URL+"/"+query), "alice"+query)
		tab, err := firefox.open(app.URL + "/" + query)
		if err != nil {
			t.Fatal(err)
		}
		bob = &page{t: t, firefox: tab}
		bob.follow()
		typedClient(s, bob, "bob"+query)
		alice.run(fmt.Sprintf(`follow(client.call(%q, { video: %t }))`, bob.account, query == ""))
		return alice, bob
	}
	alice, bob := pair("")
	carol, dave := pair("?relay&hushed")

	for _, p := range []*page{carol, dave} {
		p.warns("relay", "+")
		p.until("has the warning in its numbers", `current.quality.warnings.includes("relay")`)
	}
	// Silent from the start, which encoders send otherwise than silence after sound.
	for _, p := range []*page{carol, dave} {
		p.warns("microphone_silent", "+")
	}
	// The end of a call ends its warnings without an event.
	carol.run("current.hangup()")
	dave.until("is idle", "!client.activeCall")
	dave.warns("relay", "+")
	dave.warns("microphone_silent", "+")

	for _, p := range []*page{alice, bob} {
		// How good they are depends on what else the machine does.
		p.until("has had numbers without a warning of the call's own", `log.some(({ name, args: [q] }) => name === "quality" &&
			q.roundTripMs >= 0 && q.sent.bitrate > 20_000 && q.received.bitrate > 20_000 && q.received.lossRate < 1 &&
			q.mos >= 1 && q.mos <= 4.5 && q.warnings.every((w) => w === "low_bandwidth"))`)
		p.run("hush(true)")
	}
	for _, p := range []*page{alice, bob} {
		p.warns("microphone_silent", "+")
		p.run("hush(false)")
	}
	for _, p := range []*page{alice, bob} {
		p.warns("microphone_silent", "+-")
	}
}
