package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// valid is a configuration with which a server would start.
func valid() Config {
	return Config{
		Addr: "127.0.0.1:7326", Data: "data",
		Cluster: Cluster{Cluster: "peal", Drain: time.Second},
		Auth:    Auth{Secret: strings.Repeat("s", 32), KeyID: "main", MaxTTL: time.Hour},
		Access:  Access{HSTS: "4320h"},
		TURN:    TURN{Addr: "192.0.2.1:3478", Most: 5000},
		Timing:  Timing{time.Minute, time.Second, time.Second, time.Second, time.Second, time.Second, time.Second},
		Limits: Limits{
			MessageRate: 20, MessageBurst: 60, InvitesPerMin: 10, PairPerMin: 3, RingsPerMin: 20, HellosPerMin: 60, SignalBytes: 1 << 18, Devices: 10,
			SocketsPerAddr: 50, QueueMessages: 64, QueueBytes: 1 << 18,
			Hello: time.Second, Write: time.Second, RingMax: time.Minute,
		},
		Keep:   time.Hour,
		Sizes:  Sizes{65536, 32768, 64, 16384, 4096},
		Pulses: Pulses{2 * time.Second, 3 * time.Second, time.Second, 2 * time.Second},
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Config)
		says  string // Empty where it stays valid.
	}{
		{"as it is", func(*Config) {}, ""},
		{"all interfaces", func(c *Config) { c.Addr = ":443" }, ""},
		{"no port", func(c *Config) { c.Addr = "localhost" }, "give HOST:PORT"},
		{"metrics", func(c *Config) { c.MetricsAddr = "127.0.0.1:9326" }, ""},
		{"metrics without a port", func(c *Config) { c.MetricsAddr = "9326" }, "metrics-addr is \"9326\": give HOST:PORT"},
		{"metrics in public", func(c *Config) { c.MetricsAddr = c.Addr }, "give another port"},
		{"no secret", func(c *Config) { c.Auth.Secret = "" }, "openssl rand"},
		{"short secret", func(c *Config) { c.Auth.Secret = "letmein" }, "7 bytes"},
		{"no key id", func(c *Config) { c.Auth.KeyID = "" }, "key-id"},
		{"two keys of one id", func(c *Config) { c.Auth.Keys = map[string]string{"main": strings.Repeat("o", 32)} }, "of its own"},
		{"short former key", func(c *Config) { c.Auth.Keys = map[string]string{"old": "x"} }, `"old"`},
		{"former key", func(c *Config) { c.Auth.Keys = map[string]string{"old": strings.Repeat("o", 32)} }, ""},
		{"no token lives", func(c *Config) { c.Auth.MaxTTL = 0 }, "token-max-ttl"},
		{"an audience", func(c *Config) { c.Auth.Audience = "https://通话.example.com/" }, ""},
		{"audience with blanks", func(c *Config) { c.Auth.Audience = "peal " }, "token-audience is \"peal \""},
		{"audience of two lines", func(c *Config) { c.Auth.Audience = "peal\nprod" }, "token-audience"},
		{"audience of broken text", func(c *Config) { c.Auth.Audience = "peal\xff" }, "token-audience"},
		{"endless audience", func(c *Config) { c.Auth.Audience = strings.Repeat("a", 257) }, "256 bytes"},
		{"certificate without key", func(c *Config) { c.TLS.Cert = "cert.pem" }, "go together"},
		{"by ACME", func(c *Config) {
			c.ACME = ACME{Domains: []string{"calls.example.com", "TURN.xn--fiq228c.example"}, Directory: "https://ca.example/dir"}
		}, ""},
		{"by ACME and a file", func(c *Config) {
			c.TLS, c.ACME = TLS{"cert.pem", "key.pem"}, ACME{Domains: []string{"calls.example.com"}, Directory: "https://ca.example/dir"}
		}, "leave one out"},
		{"by ACME for any name", func(c *Config) {
			c.ACME = ACME{Domains: []string{"*.example.com"}, Directory: "https://ca.example/dir"}
		}, `acme-domain has "*.example.com"`},
		{"by ACME for an address", func(c *Config) { c.ACME = ACME{Domains: []string{"203.0.113.7"}, Directory: "https://ca.example/dir"} }, `acme-domain has "203.0.113.7"`},
		{"by ACME for this machine", func(c *Config) { c.ACME = ACME{Domains: []string{"localhost"}, Directory: "https://ca.example/dir"} }, `acme-domain has "localhost"`},
		{"by ACME for one name twice", func(c *Config) {
			c.ACME = ACME{Domains: []string{"a.example", "A.example"}, Directory: "https://ca.example/dir"}
		}, `acme-domain has "A.example" twice`},
		{"by ACME from nowhere", func(c *Config) { c.ACME = ACME{Domains: []string{"a.example"}, Directory: "http://ca.example/dir"} }, "acme-directory is"},
		{"origins", func(c *Config) {
			c.Access.Origins = []string{"app.example.com", "https://*.example.com", "localhost:8080"}
		}, ""},
		{"origin with a path", func(c *Config) { c.Access.Origins = []string{"https://example.com/app"} }, "origins has"},
		{"origin of a file", func(c *Config) { c.Access.Origins = []string{"file://x"} }, "http or https"},
		{"bad proxy", func(c *Config) { c.Access.TrustedProxies = []string{"10.0.0.0/33"} }, "trusted-proxies has"},
		{"HSTS off", func(c *Config) { c.Access.HSTS = "off" }, ""},
		{"HSTS to forget", func(c *Config) { c.Access.HSTS = "0s" }, ""},
		{"no HSTS", func(c *Config) { c.Access.HSTS = "" }, `hsts is ""`},
		{"HSTS in days", func(c *Config) { c.Access.HSTS = "180d" }, `hsts is "180d": give whole seconds, such as 4320h`},
		{"HSTS for less than a second", func(c *Config) { c.Access.HSTS = "1500ms" }, "whole seconds"},
		{"HSTS of before", func(c *Config) { c.Access.HSTS = "-1h" }, "hsts is"},
		{"no relay", func(c *Config) { c.TURN = TURN{Addr: "off"} }, ""},
		{"relay only, without one", func(c *Config) { c.Media.RelayOnly, c.TURN = true, TURN{Addr: "off"} }, "relay-only needs the relay, and turn-addr is off: give one of the two up"},
		{"relay until the acceptance, without one", func(c *Config) { c.Media.RelayUntilAccept, c.TURN = true, TURN{Addr: "off"} }, "relay-until-accept needs the relay, and turn-addr is off: give one of the two up"},
		{"relay by name", func(c *Config) { c.TURN.Addr = "turn.example.com:3478" }, "IP address"},
		{"relay on all interfaces", func(c *Config) { c.TURN.Addr = "0.0.0.0:3478" }, "turn-announce"},
		{"the same announced", func(c *Config) { c.TURN.Addr, c.TURN.Announce = ":3478", "192.0.2.1" }, ""},
		{"over TLS", func(c *Config) { c.TURN.TLSAddr, c.TURN.Host = ":5349", "turn.example.com" }, ""},
		{"over TLS at no port", func(c *Config) { c.TURN.TLSAddr = "turn.example.com" }, "turn-tls-addr"},
		{"over TLS alone", func(c *Config) { c.TURN.Addr, c.TURN.TLSAddr = "off", ":5349" }, "turn-addr"},
		{"a name with a port", func(c *Config) { c.TURN.Host = "turn.example.com:3478" }, "turn-host"},
		{"no allocations", func(c *Config) { c.TURN.Most = 0 }, "turn-allocations"},
		{"the longest wait for the relay", func(c *Config) { c.TURN.Drain = time.Hour }, ""},
		{"endless wait for the relay", func(c *Config) { c.TURN.Drain = time.Hour + 1 }, "turn-drain is 1h0m0.000000001s: give 1h0m0s or less"},
		{"announced by name", func(c *Config) { c.TURN.Announce = "here" }, "turn-announce"},
		{"half a range of ports", func(c *Config) { c.TURN.MinPort = 40000 }, "turn-max-port"},
		{"bad peers", func(c *Config) { c.TURN.AllowPeer = []string{"all"} }, "turn-allow-peer has"},
		{"no grace", func(c *Config) { c.Timing.Grace = 0 }, "timing-grace"},
		{"rings for too long", func(c *Config) { c.Timing.Ring = time.Hour }, "limits-ring-max"},
		{"no devices", func(c *Config) { c.Limits.Devices = 0 }, "above 0"},
		{"no rate", func(c *Config) { c.Limits.MessageRate = 0 }, "above 0"},
		{"no time for hello", func(c *Config) { c.Limits.Hello = 0 }, "limits-hello is 0s: give 1s or more"},
		{"tiny messages", func(c *Config) { c.Sizes.MessageBytes = 100 }, "too small"},
		{"no candidates", func(c *Config) { c.Sizes.Candidates = 0 }, "above 0"},
		{"dead before it is asked", func(c *Config) { c.Pulses.IdleDead = time.Second }, "ping-idle-dead"},
		{"no records", func(c *Config) { c.Keep = 0 }, "keep-records"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := valid()
			test.spoil(&c)
			err := c.Check()
			switch {
			case test.says == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Fatalf("got %v, want it to say %q", err, test.says)
			case err != nil && strings.Contains(err.Error(), "letmein"):
				t.Errorf("shows the secret: %v", err)
			}
		})
	}
}

func TestCheckTellsAll(t *testing.T) {
	c := valid()
	c.Addr, c.Auth.Secret = "x", ""
	err := c.Check()
	if err == nil || !strings.Contains(err.Error(), "addr is") || !strings.Contains(err.Error(), "no secret") {
		t.Errorf("got %v", err)
	}
}

func TestPrefixes(t *testing.T) {
	got, err := Prefixes("x", []string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"})
	want := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("fd00::/8"),
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// What is not plainly a range is refused, with all that is wrong named.
func TestBadPrefixes(t *testing.T) {
	for text, says := range map[string]string{
		"10.0.0.0/33":         "give a CIDR such as 10.0.0.0/8",
		"private":             "give a CIDR",
		"":                    "give a CIDR",
		"10.0.0.0/8 ":         "give a CIDR",
		"fe80::1%eth0":        "give a CIDR",
		"10.0.0.1/8":          "did you mean 10.0.0.0/8",
		"::ffff:10.0.0.1":     "give the IPv4 form",
		"::ffff:10.0.0.0/104": "give the IPv4 form",
	} {
		got, err := Prefixes("x", []string{"10.0.0.0/8", text})
		if err == nil || got != nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), strconv.Quote(text)) {
			t.Errorf("%q: got %v and %v, want %q", text, got, err, says)
		}
	}
	_, err := Prefixes("x", []string{"one", "10.0.0.0/8", "two"})
	if err == nil || !strings.Contains(err.Error(), `"one"`) || !strings.Contains(err.Error(), `"two"`) {
		t.Errorf("got %v, want both named", err)
	}
}
