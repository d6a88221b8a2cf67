package e2e_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
)

// orders are lines of a description that one browser or another reads as an order to send to an
// address, before anybody has accepted. %d is the port.
var orders = []string{
	"a=candidate:1 1 udp 2122260223 127.0.0.1 %d typ host",
	"a=CANDIDATE:1 1 udp 2122260223 127.0.0.1 %d typ host",
	"a=Candidate:1 1 udp 2122260223 127.0.0.1 %d typ host",
	"a= candidate:1 1 udp 2122260223 127.0.0.1 %d typ host",
	"a=\tcandidate:1 1 udp 2122260223 127.0.0.1 %d typ host",
	"a=RTCP:%d IN IP4 127.0.0.1",
	"a=rtcp:%d IN IP4 127.0.0.1",
}

// ear is a UDP socket that counts what it hears.
type ear struct {
	port  int
	heard atomic.Int32
}

func listen(t *testing.T) *ear {
	t.Helper()
	socket, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	e := &ear{port: socket.LocalAddr().(*net.UDPAddr).Port}
	go func() {
		buf := make([]byte, 1500)
		for {
			if _, _, err := socket.ReadFrom(buf); err != nil {
				return
			}
			e.heard.Add(1)
		}
	}()
	return e
}

// goClient logs a Go client in.
func goClient(t *testing.T, s *server, account string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := client.New(client.Config{
		Server: s.url(), Token: func(context.Context) (string, error) { return s.token(account), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// While a page rings, its browser sends nothing to an address of the caller's
// choosing, whatever the caller writes into its offer, also with ice-lite, with
// which nothing of the caller's would have to be checked. The server holds that,
// and where it does not, the component does.
func TestRingingPagesSendNothing(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	lying := startProxy(t, s)
	mallory := goClient(t, s, "mallory")
	for name, open := range map[string]func(t *testing.T) *page{
		"chromium": func(t *testing.T) *page { return device(t, startBrowser(t), app, s, "bob", "") },
		"firefox":  func(t *testing.T) *page { return inFirefox(t, startFirefox(t), app, s, "carol", "") },
	} {
		t.Run(name, func(t *testing.T) {
			bob := open(t)
			for _, order := range orders {
				for _, lite := range []bool{false, true} {
					rings(t, bob, mallory, order, lite, nil)
				}
			}
			bob.run("rtc.logout()")
			bob.skip()
			bob.run(fmt.Sprintf("login(%q, %q, %q)", lying.url(), bob.account, s.token(bob.account)))
			for _, order := range orders {
				rings(t, bob, mallory, order, true, lying)
			}
		})
	}
}

// rings has a page ring with an order in the offer, which the server passes or
// refuses; or, where there is a proxy that lies, an order that is put in behind
// the server.
func rings(t *testing.T, p *page, caller *client.Client, order string, lite bool, lying *proxy) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e := listen(t)
	line := fmt.Sprintf(order, e.port)
	if lite {
		line = "a=ice-lite\r\n" + line
	}
	offer := strings.Replace(madeUpOffer(), "a=ice-ufrag", line+"\r\na=ice-ufrag", 1)
	if lying != nil {
		escaped := strings.NewReplacer("\r\n", `\r\n`, "\t", `\t`).Replace(line)
		place := "a=x-google-flag:" + strings.Repeat("p", len(escaped)-len("a=x-google-flag:"))
		offer = strings.Replace(offer, line, place, 1)
		lying.rewrite(place, escaped)
	}
	if !strings.Contains(offer, "\r\nt=0 0\r\na=group") {
		t.Fatal("the made-up offer is another one now")
	}
	made, err := evaluate[int](p, "pcs.length")
	if err != nil {
		t.Fatal(err)
	}
	call, err := caller.Call(ctx, p.account, client.CallOptions{Type: client.Audio, Offer: offer})
	if err != nil {
		if lying != nil || !strings.Contains(err.Error(), "not a valid command") {
			t.Fatalf("%q: %v", line, err)
		}
		return // Refused, which is as good.
	}
	defer func() {
		if err := call.Cancel(ctx); err != nil {
			t.Error(err)
		}
		p.until("rings no more", "rtc.callStatus === 0")
	}()
	p.until("rings", "rtc.callStatus === 2")
	if lying != nil {
		p.until("was lied to", fmt.Sprintf("wire.some((w) => !w.sent && w.frame.call?.offer?.includes(%q))", line))
	}
	p.until("has prepared its answer", fmt.Sprintf(`pcs.length > %d && pcs.at(-1).calls.includes("setLocalDescription")`, made))
	// Microphones that are live while it rings have nowhere to go.
	p.run("rtc.enableLocalAudio(true).catch(() => {})")
	// Checks would come within milliseconds.
	p.waitFor(700 * time.Millisecond)
	if n := e.heard.Load(); n != 0 {
		t.Errorf("%q: %d packets reach the address in it while the page rings", line, n)
	}
	if live, err := evaluate[int](p, `pcs.at(-1).getSenders().filter((s) => s.track).length`); err != nil || live != 0 {
		t.Errorf("%q: %d tracks are in connections while the page rings (%v)", line, live, err)
	}
}
