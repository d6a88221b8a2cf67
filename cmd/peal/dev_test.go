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

// The start prints what others reach and what the relay reaches, and both are true: the doctor
// asks for a packet from the relay to the loopback of this machine.
func TestDevExposed(t *testing.T) {
	for _, test := range []struct {
		flags []string
		says  []string
		not   []string
		state string // Of packets to this machine's loopback.
	}{
		{nil, nil, []string{"Open to other machines"}, "ok           relay-direct"},
		{
			[]string{"--addr", "0.0.0.0:0"},
			[]string{"Open to other machines:\n  address    port ", "of every address of this machine", "tokens     for any name: everyone", "  relay      127.0.0.1:", "private networks,", "but not to its loopback"},
			nil, "warning      relay-direct",
		},
		{
			[]string{"--turn-addr", "0.0.0.0:0"},
			[]string{"Open to other machines:\n  relay      port ", "but not to its loopback"},
			[]string{"tokens     "},
			"",
		},
	} {
		p := dev(t, t.TempDir(), test.flags...)
		for _, want := range test.says {
			if !strings.Contains(p.log.String(), want) {
				t.Errorf("%v: does not say %q:\n%s", test.flags, want, p.log)
			}
		}
		for _, not := range test.not {
			if strings.Contains(p.log.String(), not) {
				t.Errorf("%v: says %q:\n%s", test.flags, not, p.log)
			}
		}
		if test.state == "" {
			continue
		}
		if _, out, _ := peal("doctor", "--server", p.url, "--account", "doctor"); !strings.Contains(out, test.state) {
			t.Errorf("%v: no %q in:\n%s", test.flags, test.state, out)
		}
	}
}
