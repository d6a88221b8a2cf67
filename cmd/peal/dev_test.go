package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// ask requests a token as a page would, and returns the status and the answer.
func (p *process) ask(host, origin string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+"/dev/token", strings.NewReader(`{"account":"alice"}`))
	if err != nil {
		p.t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // It is self-made.
	}}
	w, err := client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return w.StatusCode, string(body)
}

// The pages of the developer get tokens, those of strangers do not.
func TestDevPages(t *testing.T) {
	p := dev(t, t.TempDir(), "--origins", "https://app.test:3000")
	for _, test := range []struct {
		host, origin string
		status       int
	}{
		{"", "", http.StatusOK},
		{"", p.url, http.StatusOK},
		{"", "http://localhost:8000", http.StatusOK},
		{"", "https://app.test:3000", http.StatusOK},
		{"", "https://evil.example", http.StatusForbidden},
		{"", "null", http.StatusForbidden},
		{"evil.example", "http://evil.example", http.StatusForbidden},
		{"evil.example", "", http.StatusForbidden},
	} {
		status, body := p.ask(test.host, test.origin)
		if status != test.status || strings.Contains(body, `{"token"`) != (status == http.StatusOK) || strings.Contains(body, "--origins") != (status != http.StatusOK) {
			t.Errorf("host %q, origin %q: %d %s, want %d", test.host, test.origin, status, body, test.status)
		}
	}
}

// A phone opens the server by the address that is printed.
func TestDevPhone(t *testing.T) {
	p := dev(t, t.TempDir(), "--tls", "--addr", "0.0.0.0:0")
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := p.ask("", p.url); status != http.StatusOK {
		t.Errorf("its own page: %d %s", status, body)
	}
	if status, body := p.ask("evil.example:"+u.Port(), "https://evil.example:"+u.Port()); status != http.StatusForbidden {
		t.Errorf("a page that was pointed here: %d %s", status, body)
	}
	if status, body := p.ask("", "https://"+u.Hostname()); status != http.StatusForbidden {
		t.Errorf("a page of another port: %d %s", status, body)
	}
}
