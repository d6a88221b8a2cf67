package webhook_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/reach/reachtest"
	"github.com/peal-rtc/peal/internal/webhook"
)

// ranges reads CIDRs.
func ranges(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestURL(t *testing.T) {
	public := webhook.Reach{}
	office := webhook.Reach{Allow: ranges("10.0.0.0/8")}
	dev := webhook.Reach{Allow: ranges("127.0.0.0/8", "::1/128"), Plain: true}
	for _, test := range []struct {
		reach webhook.Reach
		url   string
		says  string // Empty where the URL is good.
	}{
		{public, "https://example.com/hooks", ""},
		{public, "https://example.com", ""},
		{public, "https://example.com:443/?key=value", ""},
		{public, "https://example.com:8443/hooks", ""},
		{public, "https://example.com:1024/hooks", ""},
		{public, "https://8.8.8.8/hooks", ""},
		{public, "https://[2606:4700::1111]/hooks", ""},
		{public, "https://xn--bcher-kva.example/hooks", ""},
		{public, "https://1password.example/hooks", ""},
		{public, "", "no https"},
		{public, "example.com/hooks", "no https"},
		{public, "ftp://example.com/", "no https"},
		{public, "https:example.com", "no https"},
		{public, "http://example.com/hooks", "plain http"},
		{public, "https://me@example.com/", "leave them out"},
		{public, "https://me:secret@example.com/", "leave them out"},
		{public, "https:///hooks", "no host"},
		{public, "https://:443/", "no host"},
		{public, "https://example.com/#here", "fragment"},
		{public, "https://example.com:22/", `the port "22"`},
		{public, "https://example.com:80/", `the port "80"`},
		{public, "https://example.com:0/", `the port "0"`},
		{public, "https://example.com:/", `the port ""`},
		{public, "https://example.com:65536/", `the port "65536"`},
		{public, "https://exa mple.com/", "cannot be read"},
		{public, "https://bücher.example/", "xn--"},
		{public, "https://" + strings.Repeat("a", 2048), "bytes"},
		{public, "https://localhost/", "127.0.0.1 is not of the public internet"},
		{public, "https://LOCALHOST./", "not of the public internet"},
		{public, "https://a.localhost:8443/", "not of the public internet"},
		{public, "https://127.0.0.1/", "not of the public internet"},
		{public, "https://[::1]/", "not of the public internet"},
		{public, "https://[::ffff:10.0.0.1]/", "not of the public internet"},
		{public, "https://[fe80::1%25eth0]/", "zone"},
		{public, "https://169.254.169.254/latest/meta-data", "not of the public internet"},
		{public, "https://2130706433/", "neither a name nor an address"},
		{public, "https://127.1/", "neither a name nor an address"},
		{public, "https://0x7f.0x1/", "neither a name nor an address"},
		{public, "https://0177.0.0.01/", "neither a name nor an address"},
		{office, "http://10.1.2.3/hooks", ""},
		{office, "http://10.1.2.3:8080/hooks", ""},
		{office, "http://hooks.internal/", ""}, // Judged at the connection.
		{office, "https://10.1.2.3/hooks", ""},
		{office, "http://10.1.2.3:22/", `the port "22"`},
		{office, "http://8.8.8.8/", "plain http to 8.8.8.8"},
		{office, "https://192.168.1.1/", "not of the public internet"},
		{office, "https://localhost/", "not of the public internet"},
		{dev, "http://localhost:8080/hooks", ""},
		{dev, "http://127.0.0.1:8080/hooks", ""},
		{dev, "http://[::1]:8080/hooks", ""},
		{dev, "http://example.com/hooks", ""},
		{dev, "http://10.0.0.1/", "not of the public internet"},
	} {
		err := test.reach.Check(test.url)
		switch {
		case test.says == "" && err != nil:
			t.Errorf("%.80s: %v", test.url, err)
		case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%.80s: got %v, want %q", test.url, err, test.says)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%.80s: the error shows the password: %v", test.url, err)
		}
	}
}

// receiver listens at one address and counts what reaches it.
func receiver(t *testing.T, host string, handler http.Handler) (port string, connections *atomic.Int32) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int32{}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = l
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, connections
}

func send(t *testing.T, s *webhook.Sender, url string) delivery.Attempt {
	t.Helper()
	return s.Send(t.Context(), &webhook.Message{URL: url, Secrets: []webhook.Secret{webhook.NewSecret()}, ID: "evt_1", Body: []byte("{}")})
}

// TestNamesThatChange: a name that stood for a good address a moment ago reaches no other one.
// Those of this machine are listened at, so that a connection would be noticed.
func TestNamesThatChange(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			n := &names{}
			answers := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			port, good := receiver(t, "127.0.0.2", answers)
			traps := []*atomic.Int32{trap(t, "127.0.0.1", port), trap(t, "::1", port), trap(t, "127.255.0.1", port)}
			sender := webhook.NewSender(webhook.Reach{Allow: ranges("127.0.0.2/32"), Plain: true}, n.resolver(t), time.Now)
			url := fmt.Sprintf("%s://hooks.example:%s/", scheme, port)
			tried := 0
			for _, text := range reachtest.Hostile {
				hostile := netip.MustParseAddr(text)
				if hostile.Zone() != "" {
					continue // DNS has none.
				}
				n.point(netip.MustParseAddr("127.0.0.2"))
				before := good.Load()
				want := delivery.Delivered
				if scheme == "https" {
					want = delivery.Connect // The receiver speaks no TLS. It was connected all the same.
				}
				if got := send(t, sender, url); got.Result != want || scheme == "https" && good.Load() == before {
					t.Fatalf("the good address: %+v", got)
				}
				sender.Close() // So that the next try makes a new connection.
				n.point(hostile)
				asked := n.lookups()
				if got := send(t, sender, url); got.Result != delivery.Blocked || n.lookups() == asked {
					t.Errorf("%s: %+v after %d look-ups", hostile, got, n.lookups()-asked)
				}
				tried++
			}
			if tried < 40 {
				t.Errorf("%d addresses were tried", tried)
			}
			for i, trap := range traps {
				if trap.Load() > 0 {
					t.Errorf("trap %d was reached", i)
				}
			}
		})
	}
}

// trap listens at an address that nobody may reach, on the port of the receiver.
func trap(t *testing.T, host, port string) *atomic.Int32 {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	reached := &atomic.Int32{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			_ = c.Close()
		}
	}()
	return reached
}

// A name that stands for several addresses reaches those that are good.
func TestSomeAddressesAreGood(t *testing.T) {
	n := &names{}
	port, reached := receiver(t, "127.0.0.2", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	wrong := trap(t, "127.0.0.1", port)
	n.point(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1"))
	sender := webhook.NewSender(webhook.Reach{Allow: ranges("127.0.0.2/32")}, n.resolver(t), time.Now)
	if got := send(t, sender, "http://hooks.example:"+port); got.Result != delivery.Delivered || reached.Load() == 0 || wrong.Load() > 0 {
		t.Errorf("%+v, %d connections, %d wrong", got, reached.Load(), wrong.Load())
	}
}

// Plain HTTP goes to networks that were allowed, and no further.
func TestPlainHTTP(t *testing.T) {
	port, reached := receiver(t, "127.0.0.2", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	url := "http://127.0.0.2:" + port
	for _, test := range []struct {
		reach webhook.Reach
		want  delivery.Result
	}{
		{webhook.Reach{}, delivery.Blocked},
		{webhook.Reach{Plain: true}, delivery.Blocked},
		{webhook.Reach{Allow: ranges("127.0.0.3/32"), Plain: true}, delivery.Blocked},
		{webhook.Reach{Allow: ranges("127.0.0.2/32")}, delivery.Delivered},
		{webhook.Reach{Allow: ranges("127.0.0.0/8"), Plain: true}, delivery.Delivered},
	} {
		if got := send(t, webhook.NewSender(test.reach, nil, time.Now), url); got.Result != test.want {
			t.Errorf("%+v: %+v", test.reach, got)
		}
	}
	if reached.Load() != 2 {
		t.Errorf("%d connections", reached.Load())
	}
}

// No variable of the environment leads webhooks elsewhere.
func TestNoProxy(t *testing.T) {
	proxy, used := receiver(t, "127.0.0.1", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:"+proxy)
	}
	sender := webhook.NewSender(webhook.Reach{Allow: ranges("127.0.0.0/8")}, (&names{}).resolver(t), time.Now)
	for _, scheme := range []string{"http", "https"} {
		if got := send(t, sender, scheme+"://hooks.example/"); got.Result != delivery.Connect || used.Load() > 0 {
			t.Errorf("%s: %+v, %d connections to the proxy", scheme, got, used.Load())
		}
	}
}
