package main

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"testing"
)

// answer is what a peal serve answers to a GET under a name.
func (p *process) answer(host, path string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // It is self-made.
	}}
	w, err := client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = w.Body.Close()
	return w
}

// Browsers that came by HTTPS come by nothing else, where that is wanted.
func TestHSTS(t *testing.T) {
	const header, host = "Strict-Transport-Security", "calls.example.com"
	data := t.TempDir()
	trial := dev(t, data, "--tls")
	if got := trial.answer(host, "/"); got.Header.Get(header) != "" {
		t.Errorf("peal dev: %v", got.Header)
	}
	certificate := []string{"--tls-cert", filepath.Join(data, "tls-cert.pem"), "--tls-key", filepath.Join(data, "tls-key.pem")}
	for _, test := range []struct {
		name, scheme string
		flags        []string
		want         string
	}{
		{"unless told", "https", nil, "max-age=15552000"},
		{"for a day", "https", []string{"--hsts", "24h"}, "max-age=86400"},
		{"by the file", "https", []string{"--config", write(t, `{"hsts": "1h30m"}`)}, "max-age=5400"},
		{"to forget", "https", []string{"--hsts", "0s"}, "max-age=0"},
		{"off", "https", []string{"--hsts", "off"}, ""},
		{"plain HTTP", "http", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			flags := test.flags
			if test.scheme == "https" {
				flags = append(flags, certificate...)
			}
			p := serving(t, test.scheme, flags...)
			for path, status := range map[string]int{
				"/": http.StatusOK, "/nothing": http.StatusNotFound, "/healthz": 0, // Ready or not.
				"/v1/ice-servers": http.StatusMethodNotAllowed, "/ws": http.StatusUpgradeRequired,
			} {
				w := p.answer(host, path)
				if status != 0 && w.StatusCode != status || w.Header.Get(header) != test.want {
					t.Errorf("%s: %d, %q, want %d, %q", path, w.StatusCode, w.Header.Get(header), status, test.want)
				}
			}
			for _, other := range []string{"", "203.0.113.7", "203.0.113.7:443", "[fd00::5]:443", "[fd00::5]", "localhost:443", "app.localhost"} {
				if got := p.answer(other, "/").Header.Get(header); got != "" {
					t.Errorf("%q: %q", other, got)
				}
			}
			if got := p.answer(host+":8443", "/").Header.Get(header); got != test.want {
				t.Errorf("on another port: %q", got)
			}
		})
	}
	t.Setenv("PEAL_HSTS", "2h")
	if got := serving(t, "https", certificate...).answer(host, "/").Header.Get(header); got != "max-age=7200" {
		t.Errorf("by the environment: %q", got)
	}
}
