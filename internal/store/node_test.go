package store_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// A node of an older release that lives keeps the others from a format that it does not know; a
// newer one changes nothing, since this program does not know what that knows.
func TestLowestFormat(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	of := func(format int, until time.Duration) store.Node {
		return store.Node{Format: format, Until: now.Add(until)}
	}
	own := int(call.Format)
	for name, test := range map[string]struct {
		nodes []store.Node
		want  int
	}{
		"nobody":              {nil, own},
		"an older one":        {[]store.Node{of(own, 1), of(own-1, 1), of(own+1, 1)}, own - 1},
		"an older one, dead":  {[]store.Node{of(own, 1), of(own-1, 0)}, own},
		"newer ones":          {[]store.Node{of(own+1, 1), of(own+2, 1)}, own},
		"of before all other": {[]store.Node{of(-1, 1)}, 0},
	} {
		if got := store.LowestFormat(test.nodes, now); int(got) != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
