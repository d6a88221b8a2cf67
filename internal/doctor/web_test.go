package doctor_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/doctor"
	"github.com/peal-rtc/peal/internal/server"
)

const (
	month = 30 * 24 * time.Hour
	dev   = true
)

func TestHealthyDev(t *testing.T) {
	f := visit(t, doctor.Config{Server: startAs(t, server.Config{Dev: dev}, nil)})
	f.well()
	f.is(doctor.OK, doctor.CheckServer, doctor.CheckClock, doctor.CheckWebSocket, doctor.CheckToken, doctor.CheckSTUN,
		doctor.CheckTURNUDP, doctor.CheckRelayUDP, doctor.CheckTURNTCP, doctor.CheckRelayTCP, doctor.CheckDirect)
	f.is(doctor.NotChecked, doctor.CheckTURNTLS, doctor.CheckRelayTLS)
}

func TestHealthyServe(t *testing.T) {
	a := newAuthority(t)
	at := start(t, func(c *config.Config) {
		a.give(c, month, "127.0.0.1", "localhost")
		c.TURN.TLSAddr, c.TURN.Host = "127.0.0.1:0", "localhost"
	})
	f := visit(t, doctor.Config{Server: at, Token: token(t), Roots: a.roots()})
	f.well()
	f.is(doctor.OK, doctor.CheckCertificate, doctor.CheckTURNTLS, doctor.CheckRelayTLS)
}

func TestNoServer(t *testing.T) {
	f := visit(t, doctor.Config{Server: "http://" + closedPort(t)})
	f.names(doctor.CheckServer, doctor.Failed, "--addr")
	f.is(doctor.NotChecked, doctor.CheckClock, doctor.CheckWebSocket, doctor.CheckToken, doctor.CheckSTUN, doctor.CheckTURNUDP, doctor.CheckDirect)

	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	visit(t, doctor.Config{Server: other.URL}).names(doctor.CheckServer, doctor.Failed, "--addr")

	elsewhere := httptest.NewServer(http.RedirectHandler("https://calls.example.com/", http.StatusMovedPermanently))
	t.Cleanup(elsewhere.Close)
	f = visit(t, doctor.Config{Server: elsewhere.URL})
	f.is(doctor.Failed, doctor.CheckServer)
	if r := f.of(doctor.CheckServer); !strings.Contains(r.Seen, "https://calls.example.com/") {
		t.Errorf("does not say where it is sent: %s", r.Seen)
	}
	// One that lives, and cannot make calls.
	for reason, says := range map[string]string{"starting": "it starts or stops", "stopping": "it starts or stops", "store": "it cannot store calls", "bus": "no connection to the bus"} {
		unready := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" {
				return
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"status":"unavailable","reason":"` + reason + `"}`))
		}))
		t.Cleanup(unready.Close)
		f = visit(t, doctor.Config{Server: unready.URL})
		f.is(doctor.Failed, doctor.CheckServer)
		if r := f.of(doctor.CheckServer); !strings.Contains(r.Seen, says) {
			t.Errorf("%s: %s", reason, r.Seen)
		}
	}
	warns := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"ok","warnings":["no standby waits"]}`))
	}))
	t.Cleanup(warns.Close)
	f = visit(t, doctor.Config{Server: warns.URL})
	f.is(doctor.Warning, doctor.CheckServer)
	if r := f.of(doctor.CheckServer); !strings.Contains(r.Seen, "no standby waits") {
		t.Errorf("a warning: %s", r.Seen)
	}
	// Plain HTTP where HTTPS is asked for, and the name of another machine.
	plain := start(t, nil)
	visit(t, doctor.Config{Server: strings.Replace(plain, "http:", "https:", 1)}).names(doctor.CheckServer, doctor.Failed, "--tls-cert")
	visit(t, doctor.Config{Server: "http://192.0.2.1:1"}).names(doctor.CheckCertificate, doctor.Failed, "--tls-cert")
}

func TestConfig(t *testing.T) {
	for _, cfg := range []doctor.Config{
		{}, {Server: "calls.example.com"}, {Server: "ws://calls.example.com"}, {Server: "http://127.0.0.1", Origin: "app.example.com"},
	} {
		if _, err := doctor.Run(t.Context(), cfg, nil); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func TestCertificate(t *testing.T) {
	a := newAuthority(t)
	for _, test := range []struct {
		name    string
		left    time.Duration
		names   []string
		trusted bool
		state   doctor.State
		says    string
	}{
		{"for another name", month, []string{"calls.example.com"}, true, doctor.Failed, "calls.example.com"},
		{"expired", -time.Hour, []string{"127.0.0.1"}, true, doctor.Failed, "expired"},
		{"expires soon", 24 * time.Hour, []string{"127.0.0.1"}, true, doctor.Warning, "expires"},
		{"of a stranger", month, []string{"127.0.0.1"}, false, doctor.Failed, "an authority of the test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := start(t, func(c *config.Config) { a.give(c, test.left, test.names...) })
			cfg := doctor.Config{Server: at, Token: token(t), Roots: newAuthority(t).roots()}
			if test.trusted {
				cfg.Roots = a.roots()
			}
			f := visit(t, cfg)
			f.names(doctor.CheckCertificate, test.state, "--tls-cert")
			if r := f.of(doctor.CheckCertificate); !strings.Contains(r.Seen, test.says) {
				t.Errorf("does not say %q: %s", test.says, r.Seen)
			}
			if test.state != doctor.Failed {
				f.is(doctor.OK, doctor.CheckToken)
				return
			}
			// A token is not for everybody who claims to be the server.
			f.is(doctor.NotChecked, doctor.CheckToken)
			cfg.Insecure = true
			visit(t, cfg).is(doctor.OK, doctor.CheckToken)
		})
	}
}

// A peal dev --tls has a certificate of its own making; its tokens are for anybody.
func TestSelfSigned(t *testing.T) {
	s := startAs(t, server.Config{Dev: dev, SelfSigned: true}, nil)
	f := visit(t, doctor.Config{Server: strings.Replace(s, "http:", "https:", 1)})
	f.names(doctor.CheckCertificate, doctor.Warning, "--tls-cert")
	f.is(doctor.OK, doctor.CheckToken, doctor.CheckRelayUDP)
}

func TestClock(t *testing.T) {
	s := start(t, nil)
	for _, test := range []struct {
		off   time.Duration
		state doctor.State
		says  string
	}{
		{0, doctor.OK, "agree"},
		{4 * time.Second, doctor.Warning, "4s ahead"},
		{time.Minute, doctor.Failed, "1m0s ahead"},
		{-time.Hour, doctor.Failed, "1h0m0s behind"},
	} {
		at := behind(t, s, func(p *httputil.ReverseProxy) {
			p.ModifyResponse = func(r *http.Response) error {
				r.Header.Set("Date", time.Now().Add(test.off).UTC().Format(http.TimeFormat))
				return nil
			}
		})
		f := visit(t, doctor.Config{Server: at})
		r := f.of(doctor.CheckClock)
		// The header is cut to the second, which may cost one.
		near := r.State == test.state && (strings.Contains(r.Seen, test.says) ||
			strings.Contains(r.Seen, (test.off.Abs()+time.Second).String()) || strings.Contains(r.Seen, (test.off.Abs()-time.Second).String()))
		if !near {
			t.Errorf("off by %s: %s, %s", test.off, r.State, r.Seen)
		}
		if test.state != doctor.OK && (len(r.Settings) == 0 || !strings.Contains(r.Settings[0], "clock")) {
			t.Errorf("names %v", r.Settings)
		}
	}
}

func TestWebSocket(t *testing.T) {
	strict := start(t, func(c *config.Config) { c.Access.Origins = []string{"app.example.com"} })
	f := visit(t, doctor.Config{Server: strict, Origin: "https://other.example.com", Token: token(t)})
	f.names(doctor.CheckWebSocket, doctor.Failed, "--origins")
	f.is(doctor.NotChecked, doctor.CheckToken)
	visit(t, doctor.Config{Server: strict, Origin: "https://app.example.com", Token: token(t)}).is(doctor.OK, doctor.CheckWebSocket, doctor.CheckToken)
	visit(t, doctor.Config{Server: strict, Token: token(t)}).is(doctor.OK, doctor.CheckWebSocket, doctor.CheckToken)

	// A proxy that puts its own name in place of the one that was asked for.
	renamed := behind(t, strict, func(p *httputil.ReverseProxy) {
		rewrite := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) { rewrite(r); r.Out.Host = "backend:7326" }
	})
	f = visit(t, doctor.Config{Server: renamed, Token: token(t)})
	f.names(doctor.CheckWebSocket, doctor.Failed, "--origins")
	if r := f.of(doctor.CheckWebSocket); !strings.Contains(r.Advice, "Host") {
		t.Errorf("says nothing of the header Host: %s", r.Advice)
	}

	s := start(t, nil)
	for name, change := range map[string]func(*httputil.ProxyRequest){
		"headers": func(r *httputil.ProxyRequest) { r.Out.Header.Del("Upgrade"); r.Out.Header.Del("Connection") },
		"paths": func(r *httputil.ProxyRequest) {
			r.Out.URL.Path = strings.Replace(r.Out.URL.Path, "/ws", "/websocket", 1)
		},
	} {
		at := behind(t, s, func(p *httputil.ReverseProxy) {
			rewrite := p.Rewrite
			p.Rewrite = func(r *httputil.ProxyRequest) { rewrite(r); change(r) }
		})
		visit(t, doctor.Config{Server: at, Token: token(t)}).names(doctor.CheckWebSocket, doctor.Failed, "the proxy's "+name)
	}
	crowded := start(t, func(c *config.Config) { c.Limits.SocketsPerAddr = 1 })
	idle := hold(t, crowded)
	visit(t, doctor.Config{Server: crowded, Token: token(t)}).names(doctor.CheckWebSocket, doctor.Failed, "--trusted-proxies")
	_ = idle.CloseNow()
}

// signRaw makes a token as a backend does that gets something wrong: nil takes a claim out,
// and without a key id there is no kid.
func signRaw(t *testing.T, claims jwt.MapClaims, keyID string) string {
	t.Helper()
	all := jwt.MapClaims{"sub": "doctor", "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	made := jwt.NewWithClaims(jwt.SigningMethodHS256, all)
	if keyID != "" {
		made.Header["kid"] = keyID
	}
	text, err := made.SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestToken(t *testing.T) {
	s := start(t, nil)
	now := time.Now()
	for _, test := range []struct {
		name, token, setting string
		state                doctor.State
	}{
		{"none", "", "--token (of peal doctor)", doctor.NotChecked},
		{"good", token(t), "", doctor.OK},
		{"expired", sign(t, secret, "main", time.Minute, now.Add(-time.Hour)), "exp of the token", doctor.Failed},
		{"another secret", sign(t, strings.Repeat("x", 32), "main", time.Minute, now), "--secret", doctor.Failed},
		{"another key", sign(t, secret, "old", time.Minute, now), "--key-id", doctor.Failed},
		{"good for too long", sign(t, secret, "main", 48*time.Hour, now), "--token-max-ttl", doctor.Failed},
		{"of the future", sign(t, secret, "main", time.Minute, now.Add(time.Hour)), "the clock of the server", doctor.Failed},
		{"nonsense", "nonsense", "the backend that makes tokens", doctor.Failed},
		{"without kid", signRaw(t, jwt.MapClaims{}, ""), "--key-id", doctor.Failed},
		{"without sub", signRaw(t, jwt.MapClaims{"sub": nil}, "main"), "the backend that makes tokens", doctor.Failed},
		{"in milliseconds", signRaw(t, jwt.MapClaims{"exp": now.UnixMilli()}, "main"), "exp of the token", doctor.Failed},
	} {
		f := visit(t, doctor.Config{Server: s, Token: test.token})
		if test.setting != "" {
			f.names(doctor.CheckToken, test.state, test.setting)
			f.is(doctor.NotChecked, doctor.CheckSTUN, doctor.CheckTURNUDP, doctor.CheckDirect)
		} else {
			f.well()
		}
		for _, r := range f.all {
			if test.token != "" && strings.Contains(r.Seen+r.Advice, test.token) && test.token != "nonsense" {
				t.Errorf("%s: shows the token: %s", test.name, r.Seen)
			}
		}
	}
	many := startAs(t, server.Config{Dev: dev}, nil)
	visit(t, doctor.Config{Server: many, Account: " "}).names(doctor.CheckToken, doctor.Failed, "--account (of peal doctor)")
}
