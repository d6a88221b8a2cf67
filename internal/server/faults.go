package server

import (
	"errors"
	"log/slog"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// fault is a reason for which much fails at once, of which the log tells by one line.
type fault struct {
	is      error
	message string
	advice  string
}

// faults are those that have a name; the first that fits holds.
var faults = []fault{
	{syscall.EMFILE, "too many open files", "raise the limit of open files (LimitNOFILE= of systemd, ulimit -n)"},
	{syscall.ENFILE, "too many open files", "raise the limit of open files of the machine (fs.file-max)"},
	{store.ErrFailed, "database failed", "the server ends, since nobody knows what the disk holds; its supervisor starts it again, and it goes on with what was stored; look at the disk of the data folder"},
	{store.ErrFull, "disk full", "make room on the disk of the data folder, or of the database; calls go on as soon as there is some"},
	{syscall.ENOSPC, "disk full", "make room on the disk; calls go on as soon as there is some"},
	{store.ErrLocked, "database locked", "end the other process that has the database open, such as a backup or a shell"},
	{errStore, "store failed", "see the error; calls go on as soon as the store answers"},
}

// errStore is every error of the store: see storage.
var errStore = errors.New("store")

// storeError is an error of the store, with its text.
type storeError struct{ error }

func (e storeError) Unwrap() []error { return []error{errStore, e.error} }

// faultOf finds what a record of the log complains of by its key error.
func faultOf(r slog.Record) (found fault, ok bool) {
	r.Attrs(func(a slog.Attr) bool {
		err, is := a.Value.Any().(error)
		if a.Key != "error" || !is {
			return true
		}
		for _, f := range faults {
			if errors.Is(err, f.is) {
				found, ok = f, true
				break
			}
		}
		return false
	})
	return found, ok
}

// named is a record of a fault: its message names the fault, and what was being done is a
// key. Any other record stays as it is.
func named(r slog.Record) slog.Record {
	f, ok := faultOf(r)
	if !ok {
		return r
	}
	renamed := slog.NewRecord(r.Time, slog.LevelError, f.message, r.PC)
	renamed.AddAttrs(slog.String("during", r.Message))
	r.Attrs(func(a slog.Attr) bool {
		renamed.AddAttrs(a)
		return true
	})
	renamed.AddAttrs(slog.String("advice", f.advice))
	return renamed
}

// lineEvery is how far apart lines of one kind are at least.
const lineEvery = time.Second
