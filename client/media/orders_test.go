package media

import (
	"fmt"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/client"
)

// What the other side writes has nobody send, however it is spelt.
func TestWithoutOrders(t *testing.T) {
	got := withoutOrders(strings.Join([]string{
		"v=0", "a=ice-lite", "a= ICE-LITE", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host", "a= Candidate:1 1 udp 1 192.0.2.1 9 typ host",
		"A=\tCANDIDATE :1 1 udp 1 192.0.2.1 9 typ host", "a=remote-candidates:1 192.0.2.1 9", "a=RTCP:9 IN IP4 192.0.2.1",
		"a=mid:0\ra=candidate:1 1 udp 1 192.0.2.1 9 typ host", "a=rtcp-mux", "a=sendrecv", "",
	}, "\r\n"))
	if want := "v=0\r\na=mid:0\r\na=rtcp-mux\r\na=sendrecv\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of the other side's candidates each is taken once, and no more than a side may send.
func TestCandidatesAreBounded(t *testing.T) {
	p := newPeer(&Session{})
	for i := range 1000 {
		p.addRemote(1, []client.Candidate{{Candidate: fmt.Sprint("candidate:", i%200)}, {Candidate: fmt.Sprint("candidate:", i%200)}})
		p.addRemote(uint32(i), nil)
		p.addRemote(uint32(10+i), []client.Candidate{{Candidate: "of nothing that is near"}})
	}
	if len(p.held) != candidatesMost || len(p.taken) != 1 {
		t.Errorf("%d candidates of %d generations are kept", len(p.held), len(p.taken))
	}
}
