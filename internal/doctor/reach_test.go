package doctor_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/doctor"
)

// below serves another server below a path, and nothing beside.
func below(t *testing.T, path, server string) string {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	mux.Handle(path+"/", http.StripPrefix(path, proxy))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// A server below a path of a proxy is looked at there, with all of its paths.
func TestServerBelowPath(t *testing.T) {
	at := below(t, "/calls", start(t, func(c *config.Config) { c.Access.Origins = []string{"none.example"} }))
	for _, server := range []string{at + "/calls", at + "/calls/"} {
		f := visit(t, doctor.Config{Server: server, Token: token(t), Insecure: true})
		f.is(doctor.OK, doctor.CheckServer, doctor.CheckClock, doctor.CheckWebSocket, doctor.CheckToken, doctor.CheckTURNUDP)
	}
	for _, server := range []string{at + "/call", at + "/calls/more"} {
		f := visit(t, doctor.Config{Server: server, Token: token(t)})
		f.names(doctor.CheckServer, doctor.Failed, "--server (of peal doctor)")
		f.is(doctor.NotChecked, doctor.CheckWebSocket, doctor.CheckToken)
		if seen := f.of(doctor.CheckServer).Seen; !strings.Contains(seen, "there is no Peal at "+server) {
			t.Errorf("%s: %s", server, seen)
		}
	}
}

// Before a login the true cause is named, at once.
func TestReach(t *testing.T) {
	plain := start(t, nil)
	a := newAuthority(t)
	secure := start(t, func(c *config.Config) { a.give(c, month, "127.0.0.1") })
	answers := func(status int, text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://calls.example.com/ws")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, test := range []struct{ name, server, says string }{
		{"a server", plain, ""},
		{"a server with a slash", plain + "/", ""},
		{"below a path", below(t, "/calls", plain) + "/calls", ""},
		{"another path", plain + "/calls", "there is no Peal at " + plain + "/calls: " + plain + "/calls/ws answers 404 Not Found; correct the path of --server"},
		{"nothing", "http://" + closedPort(t), "connection refused: nothing listens there; start peal serve where this address leads"},
		{"no such name", "http://peal.invalid", "the name peal.invalid is not found; correct the name in --server"},
		{"HTTP in place of HTTPS", strings.Replace(plain, "http:", "https:", 1), "speaks plain HTTP: give " + plain},
		{"HTTPS in place of HTTP", strings.Replace(secure, "https:", "http:", 1), "speaks HTTPS: give " + secure},
		{"a stranger's certificate", secure, "certificate"},
		{"another page", answers(http.StatusOK, "<html>"), "answers 200 OK, and not as Peal does"},
		{"a redirect", answers(http.StatusMovedPermanently, ""), "sends elsewhere, to https://calls.example.com/ws"},
		{"a proxy without a server", answers(http.StatusBadGateway, ""), "answers 502 Bad Gateway: look at the proxy"},
		{"a proxy with a login", answers(http.StatusUnauthorized, ""), "answers 401 Unauthorized"},
		{"a full server", answers(http.StatusTooManyRequests, ""), ""},
		{"a strict proxy", answers(http.StatusBadRequest, ""), ""},
		{"no address", "calls.example.com", "give its address, such as https://calls.example.com"},
		{"a query", plain + "/?a=b", "without ? and #"},
	} {
		t.Run(test.name, func(t *testing.T) {
			begun := time.Now()
			err := doctor.Reach(t.Context(), test.server)
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q", err, test.says)
			}
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	if err := doctor.Reach(t.Context(), "http://"+silent.Addr().String()); err == nil || !strings.Contains(err.Error(), "no answer in time; correct --server") {
		t.Errorf("of what never answers: %v", err)
	}
}
