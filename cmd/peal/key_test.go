package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// asks sends a request to the server API.
func (p *process) asks(key string) int {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/api/v1/calls", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = w.Body.Close()
	return w.StatusCode
}

// TestAPIKeys: a key that is made while a server runs opens the API at once, also after the server
// was killed and started again, and opens it no more once it is revoked.
func TestAPIKeys(t *testing.T) {
	data := t.TempDir()
	p := dev(t, data)
	if got := p.asks("peal_sk_crm_x"); got != http.StatusNotFound {
		t.Errorf("without a key: %d", got)
	}
	if code, out, stderr := peal("key", "list", "--data", data); code != exitOK || out != "" || !strings.Contains(stderr, "peal key new") {
		t.Errorf("no keys: %d %q %q", code, out, stderr)
	}
	make := func() string {
		code, out, stderr := peal("key", "new", "--data", data, "--name", "crm", "--scope", "calls,read")
		if code != exitOK || !regexp.MustCompile(`^peal_sk_crm(-2)?_[\w-]{43}\n$`).MatchString(out) || !strings.Contains(stderr, "read, calls") {
			t.Fatalf("new: %d %q %q", code, out, stderr)
		}
		return strings.TrimSpace(out)
	}
	first, second := make(), make() // Two at a time.
	if p.asks(first) != http.StatusOK || p.asks(second) != http.StatusOK || p.asks(second[:20]) != http.StatusUnauthorized {
		t.Error("the keys do not open the API alone")
	}
	p.end(syscall.SIGKILL)
	if code, _, stderr := peal("key", "list", "--data", data); code != exitFailed || !strings.Contains(stderr, "no server runs") {
		t.Errorf("beside a server that was killed: %d %q", code, stderr)
	}
	p = startProcess(t, "http", []string{
		"serve", "--addr", "127.0.0.1:0", "--turn-addr", "127.0.0.1:0", "--data", data, "--secret", secret, "--log-level", "info",
	})
	if got := p.asks(first); got != http.StatusOK {
		t.Errorf("after a restart: %d", got)
	}
	if code, out, stderr := peal("key", "revoke", "--data", data, "crm"); code != exitOK || out != "key crm is revoked\n" {
		t.Errorf("revoke: %d %q %q", code, out, stderr)
	}
	if p.asks(first) != http.StatusUnauthorized || p.asks(second) != http.StatusOK {
		t.Error("not the first key alone is revoked")
	}
	code, out, stderr := peal("key", "list", "--data", data)
	want := `^ID +SCOPES +CREATED +LAST USED +STATE
crm +read,calls +[-\d]+ [:\d]+ +[-\d]+ [:\d]+ +revoked [-\d]+ [:\d]+
crm-2 +read,calls +[-\d]+ [:\d]+ +[-\d]+ [:\d]+ +good
$`
	if code != exitOK || !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("list: %d %q %q", code, out, stderr)
	}
	if strings.Contains(p.log.String(), "_"+first[len(first)-43:]) || strings.Contains(out, first[len(first)-43:]) {
		t.Error("a secret is shown")
	}
}

// TestAPIKeysRefused: each mistake is refused with what to do.
func TestAPIKeysRefused(t *testing.T) {
	data, empty := t.TempDir(), t.TempDir()
	dev(t, data, "--api-keys", "app="+strings.Repeat("A", 42)+"E")
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"key"}, exitUsage, `See "peal key --help"`},
		{[]string{"key", "new", "--name", "crm"}, exitUsage, `See "peal key new --help"`},
		{[]string{"key", "new", "--name", "crm", "--scope", "write", "--data", data}, exitFailed, "read, calls, accounts, hooks, admin"},
		{[]string{"key", "new", "--name", "CRM", "--scope", "read", "--data", data}, exitFailed, "1 to 28 of a-z"},
		{[]string{"key", "new", "--name", "crm", "--scope", "read", "--data", empty}, exitFailed, "not the data folder of a server"},
		{[]string{"key", "list", "--data", filepath.Join(empty, "none")}, exitFailed, "give that by --data"},
		{[]string{"key", "list", "--data", filepath.Join(empty, strings.Repeat("x", 100))}, exitFailed, "shorter path"},
		{[]string{"key", "revoke", "crm", "--data", data}, exitFailed, "peal key list shows"},
		{[]string{"key", "revoke", "../app", "--data", data}, exitFailed, "there is no key"},
		{[]string{"key", "revoke", "app", "--data", data}, exitFailed, "PEAL_API_KEYS"},
	} {
		if code, out, stderr := peal(test.args...); code != test.code || out != "" || !strings.Contains(stderr, test.says) {
			t.Errorf("%v: %d %q %q", test.args, code, out, stderr)
		}
	}
	if code, out, _ := peal("key", "list", "--data", data); code != exitOK || !strings.Contains(out, "in the settings") {
		t.Errorf("list: %d %q", code, out)
	}
}

// TestLongDataFolder: a server starts where its socket has no place, and says so.
func TestLongDataFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	p := dev(t, data)
	if !strings.Contains(p.log.String(), "peal key cannot reach the server") || !strings.Contains(p.log.String(), "shorter path") {
		t.Errorf("the log is %s", p.log)
	}
}
