package webhook_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

// TestErased: the events of an account that was erased while they waited in the dispatcher arrive
// with its alias. None is lost, and none comes twice.
func TestErased(t *testing.T) {
	o := newOffice(t)
	over := make(chan struct{})
	in := &inbox{t: t, secrets: []webhook.Secret{o.secret}, answer: func(http.ResponseWriter, arrival) { <-over }}
	o.hook("crm", in.open())
	const calls = 2 * delivery.PerEndpoint
	for n := range calls {
		o.talk(fmt.Sprint(n))
	}
	d := o.begin() // It claims all calls at once, and tries half of them.
	defer d.Stop()
	arrivals := in.take(delivery.PerEndpoint)
	last := call.Account(fmt.Sprint("caller of ", calls-1))
	if err := o.Erase(t.Context(), last, store.Audit{}); err != nil {
		t.Fatal(err)
	}
	close(over)
	arrivals = append(arrivals, in.take(3*calls-len(arrivals))...)
	ids, aliases := make(map[string]bool), 0
	for _, a := range arrivals {
		ids[a.ID] = true
		switch a.Caller {
		case string(last):
			t.Errorf("%s of call %s arrives with the erased name", a.Kind, a.Call)
		case string(o.Alias(last)):
			aliases++
		}
	}
	if len(ids) != 3*calls || aliases != 3 {
		t.Errorf("%d of %d events came, %d with the alias", len(ids), 3*calls, aliases)
	}
}
