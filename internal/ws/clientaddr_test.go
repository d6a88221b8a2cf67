package ws

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

var behindProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

// checkClientAddr looks at a request with these header lines, which are "Name: value".
func checkClientAddr(t *testing.T, remote string, lines []string, want string) {
	t.Helper()
	r := &http.Request{RemoteAddr: remote, Header: http.Header{}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	if got, err := ClientAddr(r, behindProxies); err != nil || got.String() != want {
		t.Errorf("%s with %q: got %v, %v, want %s", remote, lines, got, err, want)
	}
}

// Proxies write X-Forwarded-For in many forms: with ports, in brackets, in several headers.
func TestForwardedForForms(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  string
	}{
		{[]string{"X-Forwarded-For: 198.51.100.7:4711"}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: [2001:db8:1:2:3:4:5:6]:4711"}, "2001:db8:1:2::"},
		{[]string{"X-Forwarded-For: [2001:db8:1:2:3:4:5:6]"}, "2001:db8:1:2::"},
		{[]string{"X-Forwarded-For: 2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::"},
		{[]string{"X-Forwarded-For: ::ffff:198.51.100.7"}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: 198.51.100.7,"}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: 198.51.100.7, , 10.0.0.2 ,"}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: ,198.51.100.7:1\t,10.0.0.2:2"}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 10.0.0.2:80"}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: "}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: "}, "10.0.0.1"},
		{[]string{"X-Forwarded-For: ,"}, "10.0.0.1"},
		// What cannot be read may be anybody: the last proxy counts.
		{[]string{"X-Forwarded-For: 203.0.113.9, unknown, 10.0.0.2"}, "10.0.0.2"},
		{[]string{"X-Forwarded-For: 198.51.100.7:port"}, "10.0.0.1"},
		{[]string{"X-Forwarded-For: 198.51.100.7:99999"}, "10.0.0.1"},
		{[]string{"X-Forwarded-For: [198.51.100.7]:80"}, "10.0.0.1"},
		{[]string{"X-Forwarded-For: [2001:db8::1"}, "10.0.0.1"},
		{[]string{"X-Forwarded-For: 198.51.100.7 203.0.113.9"}, "10.0.0.1"},
	} {
		checkClientAddr(t, "10.0.0.1:5", test.lines, test.want)
		checkClientAddr(t, "192.0.2.1:5", test.lines, "192.0.2.1")
	}
}

// Forwarded is RFC 7239. A line that is not well-formed says nothing, so that no client can
// swallow with a quotation mark what a proxy adds.
func TestForwarded(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  string
	}{
		{[]string{"Forwarded: for=198.51.100.7"}, "198.51.100.7"},
		{[]string{"Forwarded: For=198.51.100.7;proto=https;by=10.0.0.1"}, "198.51.100.7"},
		{[]string{`Forwarded: proto=https; FOR="198.51.100.7:4711"`}, "198.51.100.7"},
		{[]string{`Forwarded: for="[2001:db8:1:2:3:4:5:6]:4711"`}, "2001:db8:1:2::"},
		{[]string{`Forwarded: for="[2001:db8:1:2:3:4:5:6]"`}, "2001:db8:1:2::"},
		{[]string{`Forwarded: for="198.51.100.7:_gateway"`}, "198.51.100.7"},
		{[]string{`Forwarded: for="\198.51.100.7"`}, "198.51.100.7"},
		{[]string{`Forwarded: for=203.0.113.9, for=198.51.100.7;host="a, b; for=1.2.3.4", for=10.0.0.2`}, "198.51.100.7"},
		{[]string{"Forwarded: for=203.0.113.9", "Forwarded: for=198.51.100.7,", "Forwarded: for=10.0.0.2"}, "198.51.100.7"},
		{[]string{"Forwarded: "}, "10.0.0.1"},
		{[]string{"Forwarded: for=unknown"}, "10.0.0.1"},
		{[]string{"Forwarded: for=_hidden, for=10.0.0.2"}, "10.0.0.2"},
		{[]string{"Forwarded: for=198.51.100.7, proto=https"}, "10.0.0.1"},
		{[]string{"Forwarded: for=198.51.100.7;for=203.0.113.9"}, "10.0.0.1"},
		{[]string{"Forwarded: for=[2001:db8::1]"}, "10.0.0.1"},
		{[]string{"Forwarded: for 198.51.100.7"}, "10.0.0.1"},
		{[]string{"Forwarded: 198.51.100.7"}, "10.0.0.1"},
		{[]string{`Forwarded: for="198.51.100.7`}, "10.0.0.1"},
		{[]string{`Forwarded: for="198.51.100.7"x`}, "10.0.0.1"},
		{[]string{`Forwarded: for=203.0.113.9, x=", for=198.51.100.7`}, "10.0.0.1"},
		{[]string{`Forwarded: for=203.0.113.9, x=", for="[2001:db8::1]"`}, "10.0.0.1"},
		{[]string{`Forwarded: for=203.0.113.9, x="`, "Forwarded: for=198.51.100.7"}, "198.51.100.7"},
	} {
		checkClientAddr(t, "10.0.0.1:5", test.lines, test.want)
		checkClientAddr(t, "192.0.2.1:5", test.lines, "192.0.2.1")
	}
}

// A proxy writes one of the headers, and passes on the other as the client wrote it. Which
// one is which cannot be seen, so where they differ neither is believed.
func TestForwardedTwice(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  string
	}{
		{[]string{"X-Forwarded-For: 198.51.100.7", "Forwarded: for=198.51.100.7"}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: 198.51.100.7, 10.0.0.2", `Forwarded: for="198.51.100.7:1"`}, "198.51.100.7"},
		{[]string{"X-Forwarded-For: 198.51.100.7", "Forwarded: for=203.0.113.9"}, "10.0.0.1"},
		{[]string{"X-Forwarded-For: 198.51.100.7", "Forwarded: for=unknown"}, "10.0.0.1"},
		{[]string{"X-Forwarded-For: nonsense", "Forwarded: for=198.51.100.7"}, "10.0.0.1"},
		{[]string{"X-Forwarded-For: ", "Forwarded: for=198.51.100.7"}, "198.51.100.7"},
	} {
		checkClientAddr(t, "10.0.0.1:5", test.lines, test.want)
		checkClientAddr(t, "192.0.2.1:5", test.lines, "192.0.2.1")
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add(`for=203.0.113.9, for="[2001:db8::1]:80";proto=https`)
	f.Add(`for=203.0.113.9, x="`)
	f.Fuzz(func(t *testing.T, line string) {
		// What a proxy appends to any line is either read, or the line says nothing.
		hops := forwardedHops([]string{line + ", for=198.51.100.7"})
		if last := hops[len(hops)-1]; last != "198.51.100.7" && last != "" {
			t.Errorf("%q: the last hop is %q", line, last)
		}
	})
}
