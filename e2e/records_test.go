package e2e_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// status gives the kinds of the records that a page was given, in their order.
func (p *page) statuses() []int {
	p.t.Helper()
	list, err := evaluate[[]int](p, `log.filter((e) => e.name === "onmsg").map((e) => e.args[0].attach.status)`)
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func (p *page) wantStatuses(what string, want ...int) {
	p.t.Helper()
	p.until(what, fmt.Sprintf(`log.filter((e) => e.name === "onmsg").length >= %d`, len(want)))
	if got := p.statuses(); fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Errorf("%s was given records of the kinds %v, want %v: %s%s", p.account, got, want, what, p.history())
	}
}

// What was filed while nobody of the account was there is given at the next
// login, once per browser, oldest first.
func TestRecordsAtLogin(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	alice := device(t, browser, app, s, "alice", "")
	for _, end := range []string{"cancel", "cancel"} {
		alice.calls("bob", 1)
		alice.does(end)
		alice.expect("onMessageSent")
		alice.record(2)
		alice.expect(end + "()")
	}
	bob := device(t, browser, app, s, "bob", "")
	bob.wantStatuses("the first login gives what was missed", 2, 2)

	alice.calls("bob", 2)
	bob.until("rings", "rtc.callStatus === 2")
	bob.does("reject")
	bob.wantStatuses("a live record follows", 2, 2, 3)

	// The same page, logged in again: it knows these.
	bob.run(fmt.Sprintf("rtc.logout().then(() => login(%q, %q, %q))", s.url(), "bob", s.token("bob")))
	// A reload is another page of the same browser.
	if err := chromedp.Do(bob.ctx, chromedp.Reload()); err != nil {
		t.Fatal(err)
	}
	alice.until("is idle", "rtc.callStatus === 0")
	alice.run(`did("call", {userId: "bob", type: 1})`)
	alice.does("cancel")
	bob.run(fmt.Sprintf("login(%q, %q, %q)", s.url(), "bob", s.token("bob")))
	bob.wantStatuses("a page loaded later is given only what is new", 2)

	// Another browser has received no record yet.
	other := device(t, browser, app, s, "bob", "")
	other.wantStatuses("another browser is given all", 2, 2, 3, 2)

	// The typed core lists them, newest first, page by page.
	kinds, err := evaluate[[]int](other, fmt.Sprintf(`(async () => {
		const client = new Peal.PealClient({ server: %q, getToken: () => %q });
		await client.connect();
		const first = await client.records({ limit: 3 });
		const rest = await client.records({ before: first.at(-1) });
		const none = await client.records({ before: first.at(-1).createdAt, limit: 1 });
		await client.close();
		return [...first, ...rest].map((r) => r.kind).concat(none.length);
	})()`, s.url(), s.token("bob")))
	if err != nil || fmt.Sprint(kinds) != fmt.Sprint([]int{2, 3, 2, 2, 1}) {
		t.Errorf("records() gave %v, %v", kinds, err)
	}
}
