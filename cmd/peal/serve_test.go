package main

import (
	"strings"
	"testing"
)

// Where the server asks for an audience, what makes tokens names it; the setting has a
// flag, an environment variable and a place in the file.
func TestTokenAudience(t *testing.T) {
	for name, flags := range map[string][]string{
		"a flag": {"--token-audience", "peal-prod"},
		"a file": {"--config", write(t, `{"token_audience": "peal-prod"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			p := serving(t, "http", flags...)
			for _, test := range []struct {
				audience []string
				says     string
			}{
				{[]string{"--audience", "peal-prod"}, ""},
				{[]string{"--audience", "peal-test"}, `expects "peal-prod"`},
				{nil, `expects "peal-prod"`},
			} {
				code, token, complaint := peal(append([]string{"token", "--account", "alice", "--secret", secret}, test.audience...)...)
				if code != exitOK {
					t.Fatal(complaint)
				}
				token = strings.TrimSpace(token)
				code, out, complaint := peal("ice", "--server", p.url, "--token", token)
				if (code == exitOK) != (test.says == "") || !strings.Contains(complaint, test.says) || strings.Contains(complaint, "peal-test") {
					t.Errorf("%v: exit code %d, %s, %s", test.audience, code, out, complaint)
				}
				_, out, _ = peal("doctor", "--server", p.url, "--token", token)
				if refused := strings.Contains(out, test.says) && test.says != ""; refused != (test.says != "") || !refused && !strings.Contains(out, "accepted: alice") {
					t.Errorf("%v: the doctor says:\n%s", test.audience, out)
				}
			}
			load := []string{"bench", p.url, "--secret", secret, "--devices", "4", "--rate", "2", "--duration", "1s", "--ring", "1ms", "--talk", "1ms", "--quiet"}
			if code, _, complaint := peal(append(load, "--audience", "peal-prod")...); code != exitOK {
				t.Errorf("bench: exit code %d, %s", code, complaint)
			}
			if code, _, complaint := peal(load...); code != exitFailed || !strings.Contains(complaint, `expects "peal-prod"`) {
				t.Errorf("bench without it: exit code %d, %s", code, complaint)
			}
		})
	}
	t.Run("the environment", func(t *testing.T) {
		t.Setenv("PEAL_TOKEN_AUDIENCE", "peal-prod")
		p := serving(t, "http")
		_, token, _ := peal("token", "--account", "alice", "--secret", secret)
		if code, _, complaint := peal("ice", "--server", p.url, "--token", strings.TrimSpace(token)); code != exitOK {
			t.Errorf("exit code %d, %s", code, complaint)
		}
	})
}
