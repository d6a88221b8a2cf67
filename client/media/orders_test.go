package media

import (
	"strings"
	"testing"
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
