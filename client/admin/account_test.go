package admin_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/client/admin"
)

// TestPaths: each method asks its route, and a name is one segment of it, whatever it holds.
func TestPaths(t *testing.T) {
	var asked string
	c := client(t, func(q *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(q.Body)
		asked = q.Method + " " + q.URL.RequestURI() + " " + string(body)
		if err != nil {
			return nil, err
		}
		return answer(http.StatusOK, `{}`)
	})
	ctx := t.Context()
	errs := func(_ any, err error) error { return err }
	for want, ask := range map[string]func() error{
		"GET /accounts/a%2Fb%3Fc ":                      func() error { return errs(c.Account(ctx, "a/b?c")) },
		"GET /accounts/%2E%2E ":                         func() error { return errs(c.Account(ctx, "..")) },
		"POST /accounts/%2E/logout ":                    func() error { return errs(c.LogOut(ctx, ".", "")) },
		`POST /accounts/bob/logout {"device":"phone"}`:  func() error { return errs(c.LogOut(ctx, "bob", "phone")) },
		"DELETE /accounts/bob ":                         func() error { return errs(c.Erase(ctx, "bob", false)) },
		"DELETE /accounts/bob?force=1 ":                 func() error { return errs(c.Erase(ctx, "bob", true)) },
		"GET /accounts/bob/blocks ":                     func() error { return first(c.Blocks(ctx, "bob")) },
		"PUT /accounts/bob/blocks/%E7%88%B1%20%25 ":     func() error { return errs(c.Block(ctx, "bob", "爱 %")) },
		"DELETE /accounts/bob/blocks/%2E%2E ":           func() error { return c.Unblock(ctx, "bob", "..") },
		"GET /audit ":                                   func() error { return first(c.Audit(ctx)) },
		"DELETE /webhooks/%2F ":                         func() error { return c.DeleteWebhook(ctx, "/") },
		`PUT /webhooks/crm {"url":"https://x.example"}`: func() error { return errs(c.PutWebhook(ctx, "crm", admin.WebhookChange{URL: "https://x.example"})) },
		`POST /webhooks/crm/replay {"only":"dead"}`:     func() error { return errs(c.ReplayWebhook(ctx, "crm", admin.Replay{})) },
		"GET /calls/" + aCall + " ":                     func() error { return errs(c.Call(ctx, aCall)) },
		"GET /records?account=a%26b&limit=5 ":           func() error { return first(c.Records(ctx, admin.RecordFilter{Account: "a&b", Limit: 5})) },
	} {
		if err := ask(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if method, path, _ := strings.Cut(want, " "); asked != method+" /peal/api/v1"+path {
			t.Errorf("asked %q, want %q", asked, want)
		}
	}
}
