package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// consult opens the page /doctor of a server and waits until it has looked at all
// but the devices.
func consult(t *testing.T, browser context.Context, url, lang string, width, height int64) *visitor {
	t.Helper()
	p := open(t, browser, url+"/doctor?lang="+lang)
	p.account = "doctor-" + lang
	v := &visitor{p, width, height}
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	v.examined()
	return v
}

func (v *visitor) examined() {
	v.t.Helper()
	eventually(v.t, 90*time.Second, v.account+" is through", func() bool {
		done, err := evaluate[bool](v.page, `document.querySelector('[data-check="relay-direct"]').dataset.state !== "running"
			&& document.body.dataset.state !== "running"`)
		return err == nil && done
	})
}

// row is what the page shows of one check.
type row struct{ State, Settings, Text string }

func (v *visitor) row(check string) row {
	v.t.Helper()
	found, err := evaluate[row](v.page, fmt.Sprintf(`(({dataset, innerText}) => ({State: dataset.state, Settings: dataset.settings, Text: innerText}))(
		document.querySelector('[data-check=%q]'))`, check))
	if err != nil {
		v.t.Fatal(err)
	}
	return found
}

// Browser and server on one machine: all is well, at a desk and at a phone.
func TestDoctorPage(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	v := consult(t, browser, s.url(), "en", 1280, 800)
	for _, check := range []string{"server", "secure", "browser", "clock", "websocket", "token", "stun", "turn-udp", "relay-udp", "turn-tcp", "relay-tcp", "relay-direct"} {
		if r := v.row(check); r.State != "ok" || r.Settings != "" {
			t.Errorf("%s: %+v", check, r)
		}
	}
	v.look("doctor")
}
