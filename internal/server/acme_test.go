package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/config"
)

// A handshake never waits for the authority, whatever name it asks for.
func TestACMEWithoutCertificate(t *testing.T) {
	a := newACMECertificates(&config.ACME{
		Domains: []string{"Calls.example.com"}, Directory: "https://127.0.0.1:1/dir",
	}, t.TempDir(), slog.New(slog.DiscardHandler))
	for name, says := range map[string]string{
		"":                  "calls.example.com has no certificate yet",
		"calls.example.com": "has no certificate yet",
		"CALLS.example.com": "has no certificate yet",
		"other.example.com": `"other.example.com" is not in acme-domain`,
	} {
		if _, err := a.get(&tls.ClientHelloInfo{ServerName: name}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", name, err, says)
		}
	}
}

// A late renewal is logged: otherwise browsers are the first to say so.
func TestACMENotRenewed(t *testing.T) {
	start := time.Now()
	cert := &tls.Certificate{Leaf: &x509.Certificate{NotBefore: start, NotAfter: start.Add(90 * 24 * time.Hour)}}
	for day, want := range map[int]bool{0: false, 60: false, 66: false, 68: true, 91: true} {
		var said bytes.Buffer
		a := acmeCertificates{log: slog.New(slog.NewTextHandler(&said, nil))}
		a.judge("calls.example.com", cert, start.Add(time.Duration(day)*24*time.Hour))
		if got := strings.Contains(said.String(), "certificate is not renewed"); got != want {
			t.Errorf("day %d: says %q", day, &said)
		}
	}
}

func TestACMEPath(t *testing.T) {
	for directory, want := range map[string]string{
		"https://acme-v02.api.letsencrypt.org/directory": "acme-v02.api.letsencrypt.org",
		"https://127.0.0.1:14000/dir":                    "127.0.0.1_14000",
		"https://[::1]:14000/dir":                        "__1_14000",
	} {
		if got := acmePath("data", directory); got != filepath.Join("data", "acme", want) {
			t.Errorf("%s: got %s", directory, got)
		}
	}
}
