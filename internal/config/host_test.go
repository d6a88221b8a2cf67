package config

import (
	"strings"
	"testing"
)

// An entry that no page can match is refused, with what to write in its place. The rule of
// what matches is that of internal/ws: see TestOrigins there.
func TestOriginsThatNeverMatch(t *testing.T) {
	for origin, says := range map[string]string{
		"app.example.com":             "",
		"App.Example.com":             "",
		"app.example.com:8443":        "",
		"https://app.example.com":     "",
		"http://app.example.com:443":  "",
		"https://app.example.com:80":  "",
		"https://*.example.com":       "",
		"*.example.com:8443":          "",
		"*":                           "",
		"https://*":                   "",
		"app-*.example.com":           "",
		"my_host":                     "",
		"app.example.com.":            "",
		"192.0.2.1:8080":              "",
		"http://[2001:db8::1]:8080":   "",
		"[::1]":                       "",
		"xn--fsqu00a.example.com":     "",
		"https://app.example.com:443": "leave out :443",
		"HTTPS://app.example.com:443": "leave out :443",
		"http://app.example.com:80":   "leave out :80",
		"https://*:443":               "leave out :443",
		"app.example.com:443":         "leave out :443",
		"app.example.com:80":          "leave out :80",
		"https://例子.example.com":      "give the form that browsers send, which begins with xn--",
		"例子.example.com":              "xn--",
		"null":                        "the origin null",
		"NULL":                        "the origin null",
		"https://app.example.com/":    "leave out what follows the host: /",
		"https://app.example.com/app": "leave out what follows the host: /app",
		"app.example.com/app":         "leave out what follows the host: /app",
		"https://app.example.com?a":   "leave out what follows the host: ?a",
		"https://app.example.com#a":   "leave out what follows the host: #a",
		"https://me@app.example.com":  `"@"`,
		"https://app .example.com":    `" "`,
		"app.example.com ":            `" "`,
		`"app.example.com"`:           `"\""`,
		"'app.example.com'":           `"'"`,
		"a.example.com,b.example.com": `","`,
		"a.example.com;b.example.com": `";"`,
		"app%2eexample.com":           `"%"`,
		"app.example.com\n":           `"\n"`,
		"app[1-9].example.com":        `"["`,
		"ap?.example.com":             "leave out what follows the host: ?.example.com",
		"file://x":                    "the scheme is http or https",
		"//app.example.com":           "leave out what follows",
		"https://":                    "give a host",
		"":                            "give a host",
		":8080":                       "give a host",
		"app.example.com:":            "a port is 1 to 65535",
		"app.example.com:0":           "a port is 1 to 65535",
		"app.example.com:08080":       "a port is 1 to 65535",
		"app.example.com:65536":       "a port is 1 to 65535",
		"app.example.com:http":        "a port is 1 to 65535",
		"::1":                         "write an IPv6 address in brackets: [::1]",
		"2001:db8::1":                 "write an IPv6 address in brackets: [2001:db8::1]",
		"http://[0:0:0:0:0:0:0:1]":    "write [::1], as browsers send it",
		"http://[2001:DB8::1]":        "",
		"[fe80::1%25eth0]":            "is not an IPv6 address",
		"[::1":                        "is not an IPv6 address",
		"[app.example.com]":           "is not an IPv6 address",
		"192.0.2.256":                 "is not an IPv4 address",
		"127.1":                       "is not an IPv4 address",
		"app..example.com":            "two dots",
		".example.com":                "begins with a dot",
	} {
		c := valid()
		c.Access.Origins = []string{origin}
		err := c.Check()
		if says == "" && err != nil {
			t.Errorf("%q is refused: %v", origin, err)
		}
		if says != "" && (err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "origins has ")) {
			t.Errorf("%q: got %v, want %q", origin, err, says)
		}
	}
}

// What browsers refuse in the URL of an ICE server is refused at the start: a page would
// fail as soon as it makes a connection.
func TestRelayHost(t *testing.T) {
	for host, says := range map[string]string{
		"":                                "",
		"turn.example.com":                "",
		"TURN.example.com":                "",
		"xn--fsqu00a.example.com":         "",
		"my_turn":                         "",
		"192.0.2.1":                       "",
		"turn.example.com:3478":           `":"`,
		"turn:turn.example.com":           `":"`,
		"turn.example.com/x":              `"/"`,
		"turn.example.com?transport=tcp":  `"?"`,
		"turn.example.com#x":              `"#"`,
		"me@turn.example.com":             `"@"`,
		`"turn.example.com"`:              `"\""`,
		"'turn.example.com'":              `"'"`,
		"turn .example.com":               `" "`,
		" turn.example.com":               `" "`,
		"turn.example.com\n":              `"\n"`,
		"turn\t.example.com":              `"\t"`,
		"turn\x00.example.com":            `"\x00"`,
		"turn\x7f.example.com":            `"\x7f"`,
		"turn%2eexample.com":              `"%"`,
		`turn\.example.com`:               `"\\"`,
		"*.example.com":                   `"*"`,
		"[2001:db8::1]":                   `"["`,
		"2001:db8::1":                     `":"`,
		"turn\u00a0.example.com":          `"\u00a0"`,
		"turn\xff.example.com":            "turn-host",
		"通话.example.com":                  "which begins with xn--",
		"turn.example.com.":               "ends with a dot",
		"turn..example.com":               "two dots",
		".example.com":                    "begins with a dot",
		"192.0.2.256":                     "is not an IPv4 address",
		"-turn.example.com":               "hyphen",
		strings.Repeat("a", 64) + ".com":  "63 characters",
		strings.Repeat("a.", 127) + "com": "253 characters",
	} {
		c := valid()
		c.TURN.Host = host
		err := c.Check()
		if says == "" && err != nil {
			t.Errorf("%q is refused: %v", host, err)
		}
		if says != "" && (err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "turn-host is ")) {
			t.Errorf("%q: got %v, want %q", host, err, says)
		}
	}
}

// The address goes into the same URLs.
func TestRelayAddress(t *testing.T) {
	for address, says := range map[string]string{
		"192.0.2.1": "", "2001:db8::1": "",
		"fe80::1%eth0":  "without a zone",
		"fe80::1%a#b":   "without a zone",
		"0.0.0.0":       "no address that a client can reach",
		"::":            "no address that a client can reach",
		"224.0.0.1":     "no address that a client can reach",
		"192.0.2.1:1":   "give an IP address",
		"[2001:db8::1]": "give an IP address",
		"192.0.2.1 ":    "give an IP address",
		`"192.0.2.1"`:   "give an IP address",
	} {
		c := valid()
		c.TURN.Announce = address
		if err := c.Check(); (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "turn-announce is ")) {
			t.Errorf("%q announced: got %v, want %q", address, err, says)
		}
	}
	for address, says := range map[string]string{
		"192.0.2.1:3478": "", "[2001:db8::1]:3478": "",
		"[fe80::1%eth0]:3478": "without a zone",
		"224.0.0.1:3478":      "turn-announce",
	} {
		c := valid()
		c.TURN.Addr = address
		if err := c.Check(); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", address, err, says)
		}
	}
}
