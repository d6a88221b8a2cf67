package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A page whose Content-Security-Policy does not allow the server says so at once, and how
// to mend it.
func TestPolicyRefusesTheServer(t *testing.T) {
	s := startServer(t)
	inner := pageOf(t, s)
	policy := "default-src 'self' 'unsafe-inline' " + s.url() + "; connect-src 'self'"
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(app.Close)
	for name, opens := range map[string]func() *page{
		"chromium": func() *page { return open(t, startBrowser(t), app.URL) },
		"firefox": func() *page {
			tab, err := startFirefox(t).open(app.URL)
			if err != nil {
				t.Fatal(err)
			}
			return &page{t: t, firefox: tab}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := opens()
			p.account = "alice"
			p.until("has the component", "window.NERTCCalling !== undefined")
			got, err := evaluate[string](p, fmt.Sprintf(`(() => { const began = Date.now(); return login(%q, "alice", %q).then(
				() => "logged in", (e) => Date.now() - began < 5000 ? e.message : "late: " + e.message); })()`, s.url(), s.token("alice")))
			if err != nil {
				t.Fatal(err)
			}
			want := "add ws" + strings.TrimPrefix(s.url(), "http") + " to connect-src"
			if !strings.HasPrefix(got, "bad_server: ") || !strings.Contains(got, want) {
				t.Errorf("the login gives %q, want bad_server that says %q", got, want)
			}
		})
	}
}
