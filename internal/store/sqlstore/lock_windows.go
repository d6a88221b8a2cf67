package sqlstore

import (
	"os"

	"golang.org/x/sys/windows"
)

// errLocked is how the system says that another has the lock.
const errLocked = windows.ERROR_LOCK_VIOLATION

// lockFile locks a file until it is closed.
func lockFile(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
}

// syncFolder has nothing to do: the system keeps names by itself.
func syncFolder(string) error { return nil }
