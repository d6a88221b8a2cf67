package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol"
)

// A token for any account is given to pages of the developer, and to no other page that
// the developer's browser has open: neither from another origin nor under a name that
// its owner has pointed at this server.
func TestDevTokenPages(t *testing.T) {
	signer, err := auth.NewSigner(auth.Keys{"k1": auth.NewSecret()}, "k1")
	if err != nil {
		t.Fatal(err)
	}
	const loopback, lan = "127.0.0.1:7325", "192.168.1.5:8443"
	listed := []string{"https://app.test:3000", "*.tunnel.example", "bare.test:5173"}
	for _, test := range []struct {
		name, addr   string
		origins      []string
		host, origin string
		says         string // Empty where a token is given.
	}{
		{"a program", loopback, nil, loopback, "", ""},
		{"a program, by name", loopback, nil, "localhost:7325", "", ""},
		{"own page", loopback, nil, loopback, "http://127.0.0.1:7325", ""},
		{"own page by name", loopback, nil, "localhost:7325", "http://localhost:7325", ""},
		{"own page below localhost", loopback, nil, "app.localhost:7325", "http://app.localhost:7325", ""},
		{"own page over IPv6", "[::1]:7325", nil, "[::1]:7325", "http://[::1]:7325", ""},
		{"a server of the developer", loopback, nil, loopback, "http://localhost:5173", ""},
		{"the same over HTTPS", loopback, nil, loopback, "https://localhost:5173", ""},
		{"the same by address", loopback, nil, loopback, "http://127.0.0.1:8000", ""},
		{"the same over IPv6", loopback, nil, loopback, "http://[::1]:8000", ""},
		{"the same on the port of HTTP", loopback, nil, loopback, "http://localhost", ""},
		{"the same below localhost", loopback, nil, loopback, "http://app.localhost:3000", ""},
		{"a phone", "0.0.0.0:8443", nil, lan, "https://192.168.1.5:8443", ""},
		{"a phone over IPv6", "[::]:8443", nil, "[fd00::5]:8443", "https://[fd00::5]:8443", ""},
		{"the name of --addr", "box.lan:8443", nil, "box.lan:8443", "https://box.lan:8443", ""},
		{"the name of --addr, written otherwise", "Box.lan:8443", nil, "bOX.lan.:8443", "", ""},
		{"a listed page", loopback, listed, loopback, "https://app.test:3000", ""},
		{"a listed page in capitals", loopback, listed, loopback, "HTTPS://App.Test:3000", ""},
		{"a listed page by host", loopback, listed, loopback, "http://bare.test:5173", ""},
		{"a listed page by pattern", loopback, listed, loopback, "https://x7.tunnel.example", ""},
		{"the host of a listed page", loopback, listed, "app.test:3000", "https://app.test:3000", ""},
		{"the host of a pattern", loopback, listed, "x7.tunnel.example", "https://x7.tunnel.example", ""},
		{"any page, asked for", loopback, []string{"*"}, loopback, "https://evil.example", ""},
		{"a file, asked for", loopback, []string{"*"}, loopback, "null", ""},

		{"another page", loopback, nil, loopback, "https://evil.example", `--origins "https://evil.example"`},
		{"another page, with a list", loopback, listed, loopback, "https://evil.example", "--origins"},
		{"a listed host, another scheme", loopback, listed, loopback, "http://app.test:3000", "--origins"},
		{"a listed host, another port", loopback, listed, loopback, "https://app.test:3001", "--origins"},
		{"a page that seems local", loopback, nil, loopback, "http://localhost.evil.example", "--origins"},
		{"one that ends so", loopback, nil, loopback, "http://evillocalhost", "--origins"},
		{"one with a name before", loopback, nil, loopback, "http://localhost@evil.example", "--origins"},
		{"one with more behind", loopback, nil, loopback, "http://localhost/evil", "--origins"},
		{"another scheme", loopback, nil, loopback, "evil://localhost", "--origins"},
		{"another port of the neighbour", "0.0.0.0:8443", nil, lan, "https://192.168.1.5:3000", `--origins "https://192.168.1.5:3000"`},
		{"another neighbour", "0.0.0.0:8443", nil, lan, "https://192.168.1.6:8443", "--origins"},
		{"a file", loopback, nil, loopback, "null", "--origins"},
		{"nonsense", loopback, nil, loopback, "://", "--origins"},
		{"a name that was pointed here", loopback, nil, "evil.example:7325", "http://evil.example:7325", `--origins "evil.example:7325"`},
		{"the same without an origin", loopback, nil, "evil.example:7325", "", "--origins"},
		{"the same for a network", "0.0.0.0:8443", nil, "evil.example:8443", "https://evil.example:8443", "--origins"},
		{"the same from a local page", loopback, nil, "evil.example:7325", "http://localhost:5173", "--origins"},
		{"no host", loopback, nil, "", "", "--origins"},
		{"a host for a shell", loopback, nil, "$(id).example", "", "--origins"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := DevToken(signer.SignIdentity, protocol.DefaultLimits(), time.Now, NewPages(test.addr, test.origins))
			for _, method := range []string{http.MethodPost, http.MethodOptions} {
				r := httptest.NewRequest(method, "/dev/token", strings.NewReader(`{"account":"alice"}`))
				r.Host = test.host
				if test.origin != "" {
					r.Header.Set("Origin", test.origin)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				var body struct {
					Token string
					Error struct{ Code, Message string }
				}
				if w.Body.Len() > 0 {
					if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
						t.Fatalf("%s: %v in %s", method, err, w.Body)
					}
				}
				// A page of another origin reads the answer by this alone.
				if w.Header().Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("%s: headers are %v", method, w.Header())
				}
				if test.says == "" {
					if w.Code >= 300 || (method == http.MethodPost) != (body.Token != "") {
						t.Errorf("%s: %d %s", method, w.Code, w.Body)
					}
					continue
				}
				if w.Code != http.StatusForbidden || body.Token != "" || w.Header().Get("Access-Control-Allow-Methods") != "" {
					t.Errorf("%s: %d %s %v", method, w.Code, w.Body, w.Header())
				}
				if !strings.Contains(body.Error.Message, test.says) || strings.Contains(body.Error.Message, `--origins "$(`) {
					t.Errorf("%s: says %q, want %q", method, body.Error.Message, test.says)
				}
			}
		})
	}
}

// Two origins are more than a browser sends.
func TestDevTokenTwoOrigins(t *testing.T) {
	signer, err := auth.NewSigner(auth.Keys{"k1": auth.NewSecret()}, "k1")
	if err != nil {
		t.Fatal(err)
	}
	h := DevToken(signer.SignIdentity, protocol.DefaultLimits(), time.Now, NewPages("127.0.0.1:7325", nil))
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:7325/dev/token", strings.NewReader(`{"account":"alice"}`))
	r.Header["Origin"] = []string{"http://localhost:8000", "https://evil.example"}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
