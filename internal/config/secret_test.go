package config

import (
	"strings"
	"testing"
)

// A secret that looks like a slip is named, and not shown.
func TestDoubts(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	for text, says := range map[string]string{
		secret:                 "",
		secret + "=":           "",
		"a'" + secret + "\"b":  "",
		secret + "\n":          "ends with a line break",
		secret + "\r\n":        "ends with a line break",
		secret + "\n" + secret: "holds a line break",
		" " + secret:           "begins or ends with a blank",
		secret + "\t":          "begins or ends with a blank",
		`"` + secret + `"`:     "stands in quotes",
		"'" + secret + "'":     "stands in quotes",
		"`" + secret + "`":     "stands in quotes",
		"\u00a0" + secret:      "begins or ends with a blank",
	} {
		c := valid()
		c.Auth.Secret = text
		c.Auth.Keys = map[string]string{"old": text, "good": secret}
		got := c.Doubts()
		if says == "" {
			if len(got) > 0 {
				t.Errorf("%q: got %v", text, got)
			}
			continue
		}
		if len(got) != 2 || got[0].Setting != "secret" || got[1].Setting != "keys.old" {
			t.Fatalf("%q: got %v", text, got)
		}
		for _, doubt := range got {
			if !strings.Contains(doubt.Reason, says) || strings.Contains(doubt.Reason, secret) {
				t.Errorf("%q: got %q, want %q", text, doubt.Reason, says)
			}
		}
	}
}
