//go:build linux

package e2e_test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/peal-rtc/peal/internal/testing/nets"
)

var allNets = flag.Bool("all-nets", false, "try every pair of networks, both ways, and every change of them")

// Kinds of networks that people are in.
const (
	openNet      = "open"         // A public address.
	coneNet      = "cone"         // At home: port-restricted cone.
	symmetricNet = "symmetric"    // A carrier's or a company's NAT.
	noUDPNet     = "UDP blocked"  // A company's firewall.
	only443Net   = "only TCP 443" // A hotel's.
)

var kinds = []string{openNet, coneNet, symmetricNet, noUDPNet, only443Net}

// rules are those of the NAT of a kind. A firewall has a NAT with it.
var rules = map[string]nets.Rules{
	coneNet:      {Filtering: nets.AddressAndPortDependent},
	symmetricNet: {Mapping: nets.AddressAndPortDependent, Filtering: nets.AddressAndPortDependent},
	noUDPNet:     {Filtering: nets.AddressAndPortDependent, NoUDP: true},
	only443Net:   {Filtering: nets.AddressAndPortDependent, NoUDP: true, TCPPorts: []uint16{443}},
}

// byRelay says how someone in a network gets to the relay, and whether there is no other way.
func byRelay(kind string) (by string, always bool) {
	switch kind {
	case noUDPNet:
		return "tcp", true
	case only443Net:
		return "tls", true
	}
	return "udp", false
}

// direct says whether media between two networks need no relay: not where the
// address that one shows to the server is not the one that it shows to the other,
// who lets in none but whom it sent to.
func direct(a, b string) bool {
	_, never := byRelay(a)
	_, norThis := byRelay(b)
	if never || norThis {
		return false
	}
	return a == openNet || b == openNet || a == coneNet && b == coneNet
}

// The internet's addresses. The server has two: HTTPS has port 443 of one, TURN
// over TLS that of the other.
const (
	httpsAddr = "203.0.113.10"
	turnAddr  = "203.0.113.11"
	appAddr   = "203.0.113.12"
)

// world is an internet with a server and an application.
type world struct {
	t        *testing.T
	internet *nets.Internet
	server   *server
	app      *httptest.Server
	next     byte // Of client addresses.
}

// inNamespaces says whether the test may go on, in this process. Without root the test runs again
// in a user namespace.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return true
	}
	again := exec.CommandContext(t.Context(), os.Args[0],
		"-test.v", "-test.run=^"+t.Name()+"$", fmt.Sprintf("-all-nets=%v", *allNets))
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := again.CombinedOutput()
	t.Logf("in a user namespace:\n%s", out)
	if err != nil {
		t.Fatalf("in a user namespace: %v; where there are none, run this as root", err)
	}
	return false
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, internet: nets.NewInternet()}
	t.Cleanup(w.internet.Close)
	ns := w.namespace()
	w.connect(ns, nets.LinkConfig{Name: "eth0", Addrs: addrs(httpsAddr, turnAddr, appAddr)})
	w.server = &server{
		t: t, addr: httpsAddr + ":443", data: t.TempDir(), wrap: ns.Command,
		client: &http.Client{Transport: &http.Transport{
			DialContext: ns.Dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}},
		flags: []string{
			"--tls", "--turn-addr", turnAddr + ":3478", "--turn-tls-addr", turnAddr + ":443",
			"--turn-allow-peer", "198.51.100.0/24", "--turn-allow-peer", "203.0.113.0/24",
		},
	}
	w.server.startForTest()
	l, err := ns.Listen(appAddr + ":443")
	if err != nil {
		t.Fatal(err)
	}
	w.app = httptest.NewUnstartedServer(pageOf(t, w.server))
	w.app.Listener.Close()
	w.app.Listener = l
	w.app.StartTLS()
	t.Cleanup(w.app.Close)
	return w
}

func addrs(texts ...string) (all []netip.Addr) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func (w *world) namespace() *nets.Namespace {
	w.t.Helper()
	ns, err := nets.NewNamespace()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(ns.Close)
	return ns
}

func (w *world) connect(ns *nets.Namespace, c nets.LinkConfig) *nets.Link {
	w.t.Helper()
	l, err := nets.Connect(w.internet, ns, c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { must(w.t, l.Close()) })
	return l
}

// person is somebody with a browser in a network.
type person struct {
	*page
	name    string
	link    *nets.Link
	other   *nets.Link // nil without a second one.
	nat     *nets.NAT  // nil without.
	ns      *nets.Namespace
	browser context.Context
}

// person puts somebody behind a NAT, or into the open with none.
func (w *world) person(name, kind string) *person {
	w.t.Helper()
	w.next++
	p := &person{name: name, ns: w.namespace()}
	public := netip.AddrFrom4([4]byte{198, 51, 100, w.next})
	c := nets.LinkConfig{Name: "eth0", Addrs: []netip.Addr{public}}
	if kind != openNet {
		p.nat = nets.NewNAT(public, rules[kind])
		c.NAT, c.Addrs = p.nat, []netip.Addr{netip.AddrFrom4([4]byte{10, 0, w.next, 2})}
	}
	p.link = w.connect(p.ns, c)
	p.browser = startBrowser(w.t, chromedp.Flag("ignore-certificate-errors", true), chromedp.ModifyCmdFunc(p.ns.Command))
	return p
}

// enter opens the application for the length of a test.
func (p *person) enter(t *testing.T, w *world, account string) {
	t.Helper()
	p.page = device(t, p.browser, w.app, w.server, account, "")
}

// path is how media goes from one side, as the browser has it.
type path struct{ Local, Remote, By string }

func (p *person) path() path {
	p.t.Helper()
	got, err := evaluate[path](p.page, `pcs.at(-1).getStats().then((all) => {
		const transport = [...all.values()].find((s) => s.type === "transport");
		const pair = all.get(transport?.selectedCandidatePairId);
		const local = all.get(pair?.localCandidateId), remote = all.get(pair?.remoteCandidateId);
		return { Local: local?.candidateType ?? "", Remote: remote?.candidateType ?? "", By: local?.relayProtocol ?? "" };
	})`)
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// cheapest says whether two ends have the cheapest path there is between their
// networks: none relayed where it can be, else one by UDP, and two only where
// both can do no other.
func cheapest(a, b string, from, to path) bool {
	ends := []struct {
		kind string
		path
	}{{a, from}, {b, to}}
	relayed := 0
	for _, end := range ends {
		by, always := byRelay(end.kind)
		if end.Local == "" || always && end.Local != "relay" || end.Local == "relay" && end.By != by {
			return false
		}
		if end.Local == "relay" {
			relayed++
		}
	}
	_, one := byRelay(a)
	_, other := byRelay(b)
	switch {
	case direct(a, b):
		return relayed == 0
	case one && other:
		return relayed == 2
	default:
		return relayed == 1
	}
}

// Between any two networks a call connects, with picture and sound both ways, by
// the cheapest path that there is.
func TestNetPaths(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	w := newWorld(t)
	people := map[string]*person{}
	get := func(name, kind string) *person {
		at := "behind"
		if kind == openNet {
			at = "open"
		}
		p := people[name+at]
		if p == nil {
			p = w.person(name, kind)
			p.enter(w.t, w, name+"-"+at)
			people[name+at] = p
		}
		if p.nat != nil {
			p.nat.SetRules(rules[kind])
		}
		return p
	}
	// A path of each kind, with one who starts a browser less.
	few := [][2]string{
		{coneNet, coneNet},
		{symmetricNet, coneNet},
		{symmetricNet, symmetricNet},
		{symmetricNet, openNet},
		{noUDPNet, coneNet},
		{only443Net, openNet},
		{only443Net, noUDPNet},
	}
	for _, a := range kinds {
		for _, b := range kinds {
			if !*allNets && !slices.Contains(few, [2]string{a, b}) {
				continue
			}
			if !t.Run(a+" to "+b, func(t *testing.T) {
				began := time.Now()
				alice, bob := get("alice", a), get("bob", b)
				alice.t, bob.t = t, t
				ready := time.Now()
				talk(t, alice.page, bob.page, 2)
				up := time.Since(ready)
				alice.seesAndHears(10)
				bob.seesAndHears(10)
				var from, to path
				eventually(t, 20*time.Second, "the cheapest path is taken", func() bool {
					from, to = alice.path(), bob.path()
					return cheapest(a, b, from, to)
				})
				t.Logf("%+v, %+v; both accepted after %s, all took %s", from, to, up.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
				hangUp(alice.page, bob.page)
			}) {
				return // What comes next would begin in the middle of that.
			}
		}
	}
}
