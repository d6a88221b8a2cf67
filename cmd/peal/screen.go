package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/client/media"
)

// plainPause is how often status writes a line to an output that is no terminal.
const plainPause = 5 * time.Second

// ratesTime is when rates must be there: each takes two looks, a second apart.
const ratesTime = 3 * time.Second

// screen shows how a call goes: on a terminal by one line that is written over,
// elsewhere by plain lines. Its methods may be called concurrently.
type screen struct {
	out      io.Writer
	terminal bool
	// gone is called, more than once maybe, when nobody reads what is written.
	gone func()

	mu     sync.Mutex // Guards what follows.
	line   bool       // A line stands that is to be written over.
	wrote  time.Time
	showed media.Path
}

func newScreen(out io.Writer, gone func()) *screen {
	s := &screen{out: out, gone: gone}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		s.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
}

// say writes a line that stays.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.write(fmt.Sprintf(format+"\n", args...))
}

// ask writes a question, whose answer follows on its line.
func (s *screen) ask(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.write(fmt.Sprintf(format, args...))
}

// status shows how media goes. Elsewhere than on a terminal it writes a line every plainPause, and
// when the path changes.
func (s *screen) status(since time.Duration, m media.Status) {
	text := statusText(since, m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		s.write("\r\x1b[K" + text)
		s.line = true
		return
	}
	if time.Since(s.wrote) < plainPause && m.Path == s.showed {
		return
	}
	s.wrote, s.showed = time.Now(), m.Path
	s.write(text + "\n")
}

// write writes, and finds out that the terminal was closed, or the pipe. A disk that is
// full is no reason to end a call.
func (s *screen) write(text string) {
	_, err := io.WriteString(s.out, text)
	for _, closed := range []error{syscall.EPIPE, syscall.EIO, os.ErrClosed, io.ErrClosedPipe} {
		if errors.Is(err, closed) {
			s.gone()
			return
		}
	}
}

// clear takes away the line that is written over.
func (s *screen) clear() {
	if s.line {
		s.write("\r\x1b[K")
		s.line = false
	}
}

func statusText(since time.Duration, m media.Status) string {
	since = since.Truncate(time.Second)
	if !m.Up {
		return fmt.Sprintf("%s  reconnecting", since)
	}
	q := m.Quality
	if since < ratesTime && q.BitsIn == 0 && q.BitsOut == 0 {
		return fmt.Sprintf("%s  %s", since, m.Path)
	}
	return fmt.Sprintf("%s  %s  in %d kbit/s, lost %.1f %%, jitter %d ms  out %d kbit/s, lost %.1f %%  round trip %d ms",
		since, m.Path, q.BitsIn/1000, q.LossIn*100, q.Jitter.Milliseconds(),
		q.BitsOut/1000, q.LossOut*100, q.RoundTrip.Milliseconds())
}
