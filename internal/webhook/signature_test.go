package webhook_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/webhook"
)

// The example of npm's standardwebhooks 1.1.1.
const (
	exampleSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleSeconds   = 1614265330
	exampleBody      = `{"test": 2432232314}`
	exampleSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func parse(t *testing.T, text string) webhook.Secret {
	t.Helper()
	secret, err := webhook.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestSignature(t *testing.T) {
	secret, other, at := parse(t, exampleSecret), webhook.NewSecret(), time.Unix(exampleSeconds, 0)
	header := http.Header{}
	webhook.Sign(header, []webhook.Secret{secret}, exampleID, at, []byte(exampleBody))
	if got := header.Get("webhook-signature"); got != exampleSignature {
		t.Errorf("got %s, want %s", got, exampleSignature)
	}
	if id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp"); id != exampleID || stamp != fmt.Sprint(exampleSeconds) {
		t.Errorf("id %s, timestamp %s", id, stamp)
	}
	webhook.Sign(header, []webhook.Secret{other, secret}, exampleID, at, []byte(exampleBody))
	if got := strings.Fields(header.Get("webhook-signature")); len(got) != 2 || got[1] != exampleSignature {
		t.Errorf("two secrets sign %v", got)
	}
	for _, one := range []webhook.Secret{other, secret} {
		if err := one.Verify(header, []byte(exampleBody), at); err != nil {
			t.Errorf("one of two secrets: %v", err)
		}
	}
}

func TestVerify(t *testing.T) {
	secret, at := parse(t, exampleSecret), time.Unix(exampleSeconds, 0)
	for name, test := range map[string]struct {
		change func(http.Header)
		secret webhook.Secret
		body   string
		late   time.Duration
		says   string
	}{
		"as sent":            {},
		"in time":            {late: 5 * time.Minute},
		"a fast clock":       {late: -5 * time.Minute},
		"too late":           {late: 301 * time.Second, says: "set the clocks"},
		"too early":          {late: -301 * time.Second, says: "set the clocks"},
		"another id":         {change: func(h http.Header) { h.Set("webhook-id", "evt_2") }, says: "no signature"},
		"another time":       {change: func(h http.Header) { h.Set("webhook-timestamp", fmt.Sprint(exampleSeconds+1)) }, says: "no signature"},
		"another body":       {body: exampleBody + " ", says: "no signature"},
		"another secret":     {secret: webhook.NewSecret(), says: "no signature"},
		"another scheme":     {change: func(h http.Header) { h.Set("webhook-signature", "v1a"+exampleSignature[2:]) }, says: "no signature"},
		"no id":              {change: func(h http.Header) { h.Del("webhook-id") }, says: "a header is missing"},
		"no time":            {change: func(h http.Header) { h.Del("webhook-timestamp") }, says: "a header is missing"},
		"no signature":       {change: func(h http.Header) { h.Del("webhook-signature") }, says: "a header is missing"},
		"a time that is not": {change: func(h http.Header) { h.Set("webhook-timestamp", "now") }, says: "no time"},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			webhook.Sign(header, []webhook.Secret{secret}, exampleID, at, []byte(exampleBody))
			if test.change != nil {
				test.change(header)
			}
			by, body := secret, exampleBody
			if test.secret.Text() != (webhook.Secret{}).Text() {
				by = test.secret
			}
			if test.body != "" {
				body = test.body
			}
			err := by.Verify(header, []byte(body), at.Add(test.late))
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	secret := webhook.NewSecret()
	if again := parse(t, secret.Text()); again.Text() != secret.Text() || len(secret.Text()) != len("whsec_")+44 {
		t.Errorf("%s is read as %s", secret.Text(), again.Text())
	}
	if secret.Text() == webhook.NewSecret().Text() {
		t.Error("two secrets are the same")
	}
	for _, bad := range []string{"", "whsec_", exampleSecret[6:], "whsec_c2hvcnQ=", "whsec_" + strings.Repeat("AAAA", 22), exampleSecret + "!"} {
		if _, err := webhook.ParseSecret(bad); err == nil || bad != "" && bad != "whsec_" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret)
	shown := fmt.Sprintf("%v %+v %#v %s %s", secret, secret, secret, secret, log.String())
	if strings.Contains(shown, secret.Text()[6:]) {
		t.Errorf("a secret is shown: %s", shown)
	}
}
