package auth_test

import (
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/auth"
)

func TestAPIKeys(t *testing.T) {
	secret := strings.Repeat("A", 42) + "E"
	keys := auth.APIKeys{"crm": auth.Secret(secret), "old": auth.Secret(strings.Repeat("B", 42) + "I")}
	if err := keys.Validate(); err != nil {
		t.Fatal(err)
	}
	for bearer, want := range map[string]string{
		"peal_sk_crm_" + secret:                        "crm",
		"peal_sk_old_" + strings.Repeat("B", 42) + "I": "old",
		"peal_sk_old_" + secret:                        "",
		"peal_sk_crm_" + secret + "A":                  "",
		"peal_sk_crm_" + secret[1:]:                    "",
		"peal_sk_crm_":                                 "",
		"peal_sk_crm":                                  "",
		"peal_sk_nobody_" + secret:                     "",
		"peal_sk_nobody_":                              "",
		"peal_sk_" + secret:                            "",
		secret:                                         "",
		"":                                             "",
		"PEAL_SK_crm_" + secret:                        "",
		" peal_sk_crm_" + secret:                       "",
		"eyJhbGciOiJIUzI1NiIsImtpZCI6Im1haW4ifQ.e30.AAA": "",
	} {
		key, ok := keys.Check(bearer)
		if ok != (want != "") || key.ID != want || ok != key.Opens(auth.ScopeAdmin) {
			t.Errorf("%q is %v, %v; want %q", bearer, key, ok, want)
		}
	}
	for id, secret := range map[string]string{
		"": secret, "CRM": secret, "a_b": secret, strings.Repeat("a", 33): secret,
		"short": secret[1:], "long": secret + "A", "text": strings.Repeat("!", 43), "padded": secret + "=",
	} {
		if err := (auth.APIKeys{id: auth.Secret(secret)}).Validate(); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("the key %q: %v", id, err)
		}
	}
}
