// Package stepped is the clock of a program whose machine's wall clock is set to another
// time while the program runs. A test of cmd/peal builds the program with Now in the place
// of time.Now; nothing else imports it. Now may be called from any goroutine.
package stepped

import (
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// File is the environment variable that names a file. The file holds by how many seconds
// the wall clock was set forward, or back where the number is negative.
const File = "PEAL_TEST_WALL_CLOCK"

// shape is a time.Time that has a monotonic reading: bit 63 of wall is set, 33 bits are the
// seconds of the wall clock and the lowest 30 bits its nanoseconds. ext is the monotonic reading.
type shape struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

const (
	hasMonotonic = 1 << 63
	nanoBits     = 30
)

// Now is time.Now on a machine whose wall clock was set: the wall clock differs, the
// monotonic reading does not, as on a real machine. time.Time.Add would move both.
func Now() time.Time {
	t := time.Now()
	if s := (*shape)(unsafe.Pointer(&t)); s.wall&hasMonotonic != 0 {
		s.wall += uint64(step()) << nanoBits
	}
	return t
}

// step reads the file; there is no step where there is no number in it.
func step() (seconds int64) {
	text, err := os.ReadFile(os.Getenv(File))
	if err != nil {
		return 0
	}
	seconds, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return seconds
}
