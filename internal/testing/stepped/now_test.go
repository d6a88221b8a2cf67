package stepped

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestNow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "step")
	t.Setenv(File, file)
	for _, by := range []time.Duration{0, time.Hour, -time.Hour} {
		if err := os.WriteFile(file, []byte(strconv.Itoa(int(by/time.Second))), 0o600); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		now := Now()
		if passed := now.Sub(before); passed < 0 || passed > time.Minute {
			t.Errorf("by %s: the monotonic clock moved by %s", by, passed)
		}
		if wall := now.Round(0).Sub(before.Round(0)); (wall - by).Abs() > time.Minute {
			t.Errorf("by %s: the wall clock moved by %s", by, wall)
		}
		if now.Location() != time.Local {
			t.Errorf("by %s: the location is %s", by, now.Location())
		}
	}
}
