package device

import (
	"slices"
	"testing"
	"time"
)

// The browser's device computes the same numbers: its tests hold them too.
func TestRandom(t *testing.T) {
	r := random(1)
	got := []uint32{r.next(), r.next(), r.next()}
	if want := []uint32{2693262067, 11749833, 2265367787}; !slices.Equal(got, want) {
		t.Errorf("from seed 1 on it gives %d, want %d", got, want)
	}
	for range 1000 {
		if p := r.below(pauseFirst); p < 0 || p >= pauseFirst || p%time.Millisecond != 0 {
			t.Fatalf("a pause of %s", p)
		}
	}
}
