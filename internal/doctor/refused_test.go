package doctor

import (
	"os"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/protocol"
)

// Each reason for which a server refuses a token has its own advice and setting; the words
// for reasons that nobody knows are for servers that are newer.
func TestEachReasonHasItsAdvice(t *testing.T) {
	file, err := os.ReadFile("../auth/testdata/reasons.txt")
	if err != nil {
		t.Fatal(err)
	}
	limits := protocol.DefaultLimits()
	reasons := append(strings.Split(strings.TrimSpace(string(file)), "\n"), protocol.AccountRule(&limits))
	if len(reasons) < 30 {
		t.Fatalf("found %d reasons", len(reasons))
	}
	other := (&run{}).whyRefused("", failure{string(protocol.BadToken), "the token is not valid here: of another kind"})
	for _, reason := range reasons {
		got := (&run{}).whyRefused("", failure{string(protocol.BadToken), "the token is not valid here: token invalid: " + reason})
		if got.State != Failed || got.Advice == "" || got.Advice == other.Advice || len(got.Settings) == 0 {
			t.Errorf("%s: %+v", reason, got)
		}
	}
}
