package e2e_test

import (
	"fmt"
	"testing"
)

// Browsers without a codec in common for pictures talk, and neither announces a
// picture that never comes.
func TestNoCommonCodec(t *testing.T) {
	_, alice, bob := pair(t, "")
	for p, codec := range map[*page]string{alice: "video/VP8", bob: "video/VP9"} {
		p.run(fmt.Sprintf(`for (const makes of ["createOffer", "createAnswer"]) {
			const make = RTCPeerConnection.prototype[makes];
			RTCPeerConnection.prototype[makes] = function (...args) {
				const codecs = RTCRtpReceiver.getCapabilities("video").codecs.filter((c) => c.mimeType === %q);
				for (const t of this.getTransceivers()) if (t.receiver.track.kind === "video") t.setCodecPreferences(codecs);
				return make.apply(this, args);
			};
		}`, codec))
	}
	alice.calls("bob", 2)
	bob.expect("onInvited")
	bob.does("accept")
	bob.expect("accept()", "onJoinChannel", "onUserEnter", "onAudioAvailable")
	alice.expect("onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable")
	alice.hears()
	bob.hears()
	for p, other := range map[*page]*page{alice: bob, bob: alice} {
		p.run(`did("muteLocalAudio", true)`)
		p.until("is muted", `log.some((e) => e.name === "muteLocalAudio()")`)
		other.until("receives the mute", `log.some((e) => e.name === "onAudioMuted")`)
		other.until("receives no onCameraAvailable", `log.every((e) => e.name !== "onCameraAvailable")`)
	}
}
