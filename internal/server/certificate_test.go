package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// aheadStore has a clock that is ahead.
type aheadStore struct {
	store.Store
	by time.Duration
}

func (s *aheadStore) Now(context.Context) (time.Time, error) { return time.Now().Add(s.by), nil }

func TestSelfSigned(t *testing.T) {
	folder, names := t.TempDir(), []string{"localhost"}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	now := time.Now()
	keep := func(addresses []net.IP, now time.Time) []byte {
		t.Helper()
		certFile, keyFile, err := keepSelfSigned(folder, names, addresses, now)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key's file is %v, %v", info.Mode(), err)
		}
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			if err := pair.Leaf.VerifyHostname(name); err != nil {
				t.Error(err)
			}
		}
		return pair.Certificate[0]
	}
	first := keep(addresses, now)
	if !bytes.Equal(first, keep(addresses, now.Add(300*24*time.Hour))) {
		t.Error("made another one although the first will do")
	}
	moved := keep(append(addresses, net.IPv4(192, 0, 2, 7)), now)
	if bytes.Equal(first, moved) {
		t.Error("kept one that lacks an address")
	}
	if bytes.Equal(moved, keep(addresses, now.Add(350*24*time.Hour))) {
		t.Error("kept one that is about to expire")
	}
}

func TestCertificateIsReadAgain(t *testing.T) {
	folder := t.TempDir()
	now := time.Now()
	certFile, keyFile, err := keepSelfSigned(folder, []string{"localhost"}, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		t.Helper()
		// As if the time to look again had come.
		c.checked = time.Time{}
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.String()
	}
	first := serial()
	if err := os.WriteFile(certFile, []byte("half of a renewal"), 0o600); err != nil {
		t.Fatal(err)
	}
	if serial() != first {
		t.Error("serves what is damaged")
	}
	if _, _, err := keepSelfSigned(folder, []string{"localhost", "peal.example"}, nil, now); err != nil {
		t.Fatal(err)
	}
	later := now.Add(time.Minute)
	if err := os.Chtimes(certFile, later, later); err != nil {
		t.Fatal(err)
	}
	if serial() == first {
		t.Error("serves the old one although there is a new one")
	}
}

func TestTLS(t *testing.T) {
	b := start(t, inMemory, func(c *Config) { c.SelfSigned = true })
	pem, err := os.ReadFile(b.cfg.Settings.Data + "/tls-cert.pem")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+b.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Body.Close(); err != nil || w.StatusCode != http.StatusOK {
		t.Errorf("got %d, %v", w.StatusCode, err)
	}
}
