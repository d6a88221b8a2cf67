package server

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// leafOf reads a certificate's file.
func leafOf(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// made makes a certificate at a time, for these names; it is good for a year.
func made(t *testing.T, at time.Time, names ...string) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, err := keepSelfSigned(t.TempDir(), names, []net.IP{net.IPv4(192, 0, 2, 1)}, at)
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

// The end of a certificate is logged two weeks, one week and one day before, and when it has
// come; each once, and again for the next certificate.
func TestExpiryIsTold(t *testing.T) {
	now := time.Now()
	certFile, _ := made(t, now, "calls.example.com")
	leaf := leafOf(t, certFile)
	var log bytes.Buffer
	e := expiry{log: slog.New(slog.NewTextHandler(&log, nil)), file: "cert.pem"}
	const day = 24 * time.Hour
	for _, step := range []struct {
		before time.Duration // Before the end.
		says   string
	}{
		{40 * day, ""},
		{14*day + time.Hour, ""},
		{14 * day, `msg="certificate expires soon"`},
		{14*day - time.Hour, ""},
		{8 * day, ""},
		{7*day - time.Minute, "left=\"6 days\""},
		{2 * day, ""},
		{23 * time.Hour, "left=\"23 hours\""},
		{time.Hour, ""},
		{-time.Minute, `msg="certificate has expired"`},
		{-40 * day, ""},
	} {
		log.Reset()
		e.look(leaf, leaf.NotAfter.Add(-step.before))
		if got := log.String(); (got == "") != (step.says == "") || !strings.Contains(got, step.says) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s before the end: got %q, want %q", step.before, got, step.says)
		}
	}
	renewed, _ := made(t, now.Add(30*day), "calls.example.com")
	next := leafOf(t, renewed)
	for _, step := range []struct {
		before time.Duration
		says   string
	}{{40 * day, ""}, {3 * day, `left="3 days"`}, {3 * day, ""}} {
		log.Reset()
		e.look(next, next.NotAfter.Add(-step.before))
		if got := log.String(); (got == "") != (step.says == "") || !strings.Contains(got, step.says) {
			t.Errorf("the next one, %s before its end: got %q, want %q", step.before, got, step.says)
		}
	}
	log.Reset()
	e = expiry{log: e.log}
	e.look(leaf, leaf.NotBefore.Add(-time.Hour))
	if got := log.String(); !strings.Contains(got, `msg="certificate is not valid yet"`) {
		t.Errorf("before it is good: %q", got)
	}
}

// At the start the server warns of a certificate that clients will refuse.
func TestCertificateIsDoubted(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		made  time.Time
		names []string
		set   func(*Config)
		says  []string // Nothing but these.
	}{
		"good":      {now, []string{"localhost"}, func(*Config) {}, nil},
		"expired":   {now.Add(-2 * selfSignedFor), []string{"localhost"}, func(*Config) {}, []string{"certificate has expired"}},
		"about to":  {now.Add(time.Hour - selfSignedFor), []string{"localhost"}, func(*Config) {}, []string{"certificate expires soon"}},
		"in future": {now.Add(2 * time.Hour), []string{"localhost"}, func(*Config) {}, []string{"certificate is not valid yet"}},
		"of the relay": {now, []string{"turn.example.com"}, func(c *Config) {
			c.Settings.TURN.TLSAddr, c.Settings.TURN.Host = "127.0.0.1:0", "TURN.example.com"
		}, nil},
		"of another relay": {now, []string{"calls.example.com"}, func(c *Config) {
			c.Settings.TURN.TLSAddr, c.Settings.TURN.Host = "127.0.0.1:0", "turn.example.com"
		}, []string{`msg="certificate is for another name" name=turn.example.com certificate_names="calls.example.com, 192.0.2.1" setting=turn-host`}},
		"relay without a name": {now, []string{"calls.example.com"}, func(c *Config) {
			c.Settings.TURN.TLSAddr, c.Settings.TURN.Announce = "127.0.0.1:0", "192.0.2.7"
		}, []string{`msg="certificate is for another name" name=192.0.2.7`}},
		"relay of an address": {now, []string{"calls.example.com"}, func(c *Config) {
			c.Settings.TURN.TLSAddr, c.Settings.TURN.Announce = "127.0.0.1:0", "192.0.2.1"
		}, nil},
		"relay without TLS": {now, []string{"calls.example.com"}, func(c *Config) { c.Settings.TURN.Host = "turn.example.com" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			b := start(t, inMemory, func(c *Config) {
				c.Settings.TLS.Cert, c.Settings.TLS.Key = made(t, test.made, test.names...)
				c.Settings.TURN.AllowPeer = []string{"0.0.0.0/0"}
				test.set(c)
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			})
			b.stop()
			got := log.String()
			for _, want := range test.says {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if strings.Count(got, "msg=\"certificate") != len(test.says) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// The name in addr is one by which people come; addresses and localhost tell nothing.
func TestNamesToServe(t *testing.T) {
	for addr, want := range map[string]string{
		"calls.example.com:443": "calls.example.com", "127.0.0.1:443": "", ":443": "", "localhost:443": "", "[::]:443": "",
	} {
		s := &Server{}
		s.cfg.Settings.Addr = addr
		var got strings.Builder
		for _, name := range s.namesToServe() {
			got.WriteString(name.name)
		}
		if got.String() != want {
			t.Errorf("%s: got %q, want %q", addr, got.String(), want)
		}
	}
}
