package e2e_test

import (
	"fmt"
	"testing"
	"time"
)

// carriesRTP says whether a packet of TURN's channels carries sound, a picture or a report
// about them, and no connectivity check (RFC 7983, section 7; RFC 8656, section 12.4).
func carriesRTP(packet []byte) bool {
	return len(packet) > 4 && packet[0]>>4 == 4 && packet[4]>>6 == 2
}

// TestNetworkWarnings: a network that has little room, and one that lets media through in
// one direction only, warn both sides while they are so, in Chromium and in Firefox. The
// two calls go on side by side.
func TestNetworkWarnings(t *testing.T) {
	turn := freeAddr(t)
	s := startServer(t, "--turn-addr", turn)
	app, browser, firefox := application(t, s), startBrowser(t), startFirefox(t)
	pair := func(caller, callee string, video bool) (networks [2]*badNetwork, pages [2]*page) {
		var addresses [2]string
		for i := range networks {
			networks[i] = startBadNetwork(t, turn)
			addresses[i] = app.URL + "/?relay&by=udp&via=" + networks[i].conn.LocalAddr().String()
		}
		tab, err := firefox.open(addresses[1])
		if err != nil {
			t.Fatal(err)
		}
		other := &page{t: t, firefox: tab}
		other.follow()
		pages = [2]*page{typedClient(s, open(t, browser, addresses[0]), caller), typedClient(s, other, callee)}
		pages[0].run(fmt.Sprintf(`follow(client.call(%q, { video: %t }))`, callee, video))
		return networks, pages
	}
	narrow, crowded := pair("alice", "bob", true)
	firewalled, oneSided := pair("carol", "dave", false)
	for _, p := range append(crowded[:], oneSided[:]...) {
		p.warns("relay", "+") // Media flows, and was looked at twice.
	}

	// Room for speech and little of a picture, and next to none: Firefox does not tell how
	// much room there is. And a caller to whom checks pass, and no media.
	narrow[0].is(0, 0, 20_000)
	narrow[1].is(0, 0, 6_000)
	firewalled[0].deaf.Store(true)
	const holds = `current.quality.warnings.includes(%[1]q) && warned.at(-1) !== "-" + %[1]q`
	for _, p := range crowded {
		p.soon("is warned of little room", fmt.Sprintf(holds, "low_bandwidth"))
	}
	for _, b := range narrow {
		b.is(0, 0, 0)
	}
	// The callee learns by what the caller's reports no longer say, after 16 s of them.
	for _, p := range oneSided {
		p.soon("is warned of media that flow one way", fmt.Sprintf(holds, "one_way_media"))
	}

	firewalled[0].deaf.Store(false)
	const over = `!current.quality.warnings.includes(%[1]q) && warned.includes("-" + %[1]q)`
	for _, p := range oneSided {
		p.soon("has media both ways again", fmt.Sprintf(over, "one_way_media"))
	}
	for _, p := range crowded {
		p.soon("has room again", fmt.Sprintf(over, "low_bandwidth"))
		p.run(`if (warned.includes("+one_way_media")) failures.push("little room counts as one way")`)
	}
}

// soon waits for what a browser's measurements take a while to show. Chromium's estimate of
// the room grows by a twelfth a second at most: from next to nothing to enough takes 40 s and
// more.
func (p *page) soon(what, condition string) {
	p.t.Helper()
	began := time.Now()
	eventually(p.t, 2*time.Minute, p.account+": "+what, func() bool {
		ok, err := evaluate[bool](p, "(async () => !!(await ("+condition+")))()")
		return err == nil && ok
	})
	p.t.Logf("%s %s after %s", p.account, what, time.Since(began).Round(time.Second/10))
}
