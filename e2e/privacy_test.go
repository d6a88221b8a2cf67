package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
)

// madeUpOffer is what a browser would offer, with keys that fit nothing: the
// checks of connectivity come before those are looked at.
func madeUpOffer() string {
	var sum [32]byte
	_, _ = rand.Read(sum[:]) // It never fails.
	var print []string
	for _, b := range sum {
		print = append(print, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	section := func(mid int, kind, payload, codec string) string {
		return fmt.Sprintf("m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:made\r\n"+
			"a=ice-pwd:madeupforthistestalone42\r\na=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:%d\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:%s %s\r\n",
			kind, payload, strings.Join(print, ":"), mid, payload, codec)
	}
	return "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
		section(0, "audio", "111", "opus/48000/2") + section(1, "video", "96", "VP8/90000")
}

// Before a callee accepts nothing of it reaches the caller: no packet on the
// socket that the caller's candidate names, no message. Both come right after.
func TestSilenceBeforeTheAcceptance(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	bob := device(t, browser, application(t, s), s, "bob", "")
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	var packets atomic.Int32
	go func() {
		buf := make([]byte, 1500)
		for {
			if _, _, err := socket.ReadFrom(buf); err != nil {
				return
			}
			packets.Add(1)
		}
	}()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice, err := client.New(client.Config{
		Server: s.url(), Token: func(context.Context) (string, error) { return s.token("alice"), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	if err := alice.Login(ctx); err != nil {
		t.Fatal(err)
	}
	call, err := alice.Call(ctx, "bob", client.CallOptions{Type: client.Video, Offer: madeUpOffer()})
	if err != nil {
		t.Fatal(err)
	}
	port := socket.LocalAddr().(*net.UDPAddr).Port
	mid := "0"
	if err := call.SendCandidates(ctx, 1, client.Candidate{
		Candidate: fmt.Sprintf("candidate:1 1 udp 2122260223 127.0.0.1 %d typ host generation 0 ufrag made", port), SDPMid: &mid,
	}); err != nil {
		t.Fatal(err)
	}
	bob.expect("onInvited")
	bob.until("has prepared its answer and gathered", `pcs[0]?.calls.includes("setLocalDescription") && pcs[0].iceGatheringState === "complete"`)
	bob.until("was given the candidate", `wire.some((w) => !w.sent && w.frame.candidates)`)
	// Checks would come within milliseconds.
	quiet, stop := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer stop()
	for {
		e, err := alice.Next(quiet)
		if err != nil {
			break
		}
		_, state := e.(client.StateChanged)
		u, news := e.(client.Updated) // The answer to its own invitation.
		if !state && !(news && len(u.Changes) == 0 && u.Answer == "") {
			t.Errorf("before the acceptance the caller hears %#v", e)
		}
	}
	if n := packets.Load(); n != 0 {
		t.Errorf("before the acceptance %d packets came to the caller's address", n)
	}

	bob.does("accept")
	answer := false
	for seen := 0; seen < 2; {
		e, err := alice.Next(ctx)
		if err != nil {
			t.Fatalf("after the acceptance: %v", err)
		}
		switch e := e.(type) {
		case client.Updated:
			if slices.Contains(e.Changes, client.Accepted) {
				answer = e.Answer != ""
				seen++
			}
		case client.PeerCandidates:
			if !answer {
				t.Error("candidates come before the answer")
			}
			seen++
		}
	}
	eventually(t, 20*time.Second, "checks come to the caller's address", func() bool { return packets.Load() > 0 })
	if err := call.Hangup(ctx); err != nil {
		t.Error(err)
	}
	bob.until("is idle again", "rtc.callStatus === 0")
}

// passed are the kinds of candidates that came to a page, and whether any of them holds the address
// by which the relay is reached.
type passed struct {
	Kinds []string
	Told  bool
}

func (p *page) passed() passed {
	p.t.Helper()
	got, err := evaluate[passed](p, `(() => {
		const all = wire.filter((w) => !w.sent && w.frame.candidates).flatMap((w) => w.frame.candidates.candidates ?? []).map((c) => c.candidate);
		return {
			Kinds: [...new Set(all.map((c) => / typ (\w+)/.exec(c)[1]))].sort(),
			Told: all.some((c) => / typ relay /.test(c) && !/ raddr 0\.0\.0\.0 rport 0/.test(c)),
		};
	})()`)
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// What the policy keeps back is not on the wire, by deployment and by call, and
// the call is there all the same.
func TestPolicies(t *testing.T) {
	for _, tt := range []struct {
		name, flag, option string
		until, only        bool
	}{
		{"relayUntilAccept by deployment", "--relay-until-accept", "", true, false},
		{"relayUntilAccept by call", "", "relayUntilAccept: true", true, false},
		{"relayOnly by deployment", "--relay-only", "", false, true},
		{"relayOnly by call", "", "relayOnly: true", false, true},
		{"neither", "", "", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var flags []string
			if tt.flag != "" {
				flags = append(flags, tt.flag)
			}
			s := startServer(t, flags...)
			browser := startBrowser(t)
			app := application(t, s)
			alice, bob := device(t, browser, app, s, "alice", ""), device(t, browser, app, s, "bob", "")
			alice.run(fmt.Sprintf(`did("call", {userId: "bob", type: 2, %s})`, tt.option))
			bob.expect("onInvited")
			alice.until("has gathered", `pcs[0]?.iceGatheringState === "complete"`)
			bob.until("was given candidates of the relay", `wire.some((w) => !w.sent && JSON.stringify(w.frame).includes(" typ relay"))`)
			rings := bob.passed()
			if direct := slices.Contains(rings.Kinds, "host"); direct != (!tt.until && !tt.only) {
				t.Errorf("while it rings the callee is given candidates of the kinds %v", rings.Kinds)
			}
			if (tt.until || tt.only) && (rings.Told || !slices.Equal(rings.Kinds, []string{"relay"})) {
				t.Errorf("while it rings the callee is given %+v", rings)
			}
			bob.does("accept")
			for _, p := range []*page{alice, bob} {
				p.seesAndHears(30)
				talks := p.passed()
				if !tt.only {
					p.until("is given the other one's own addresses", `wire.some((w) => !w.sent && JSON.stringify(w.frame.candidates ?? "").includes(" typ host"))`)
				} else {
					if slices.Contains(talks.Kinds, "host") || talks.Told {
						t.Errorf("%s is given candidates although all is relayed: %+v", p.account, talks)
					}
					p.until("has its media relayed", `stats().then((s) => s.local === "relay" && s.remote === "relay")`)
				}
				if ok, err := evaluate[bool](p, `wire.every((w) => !/a=candidate|[oc]=IN IP[46] (?!0\.0\.0\.0)/.test(JSON.stringify(w.frame)))`); err != nil || !ok {
					t.Errorf("%s: a description told an address: %v", p.account, err)
				}
			}
			alice.until("has told by which path media go", `wire.some((w) => w.sent && w.frame.media?.path)`)
			path := `wire.find((w) => w.sent && w.frame.media?.path).frame.media.path`
			if got, err := evaluate[string](alice, path); err != nil || tt.only && !strings.HasPrefix(got, "MEDIA_PATH_RELAY_") {
				t.Errorf("the path told is %q, %v", got, err)
			}
		})
	}
}
