//go:build !windows

package sqlstore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errLocked is how the system says that another has the lock.
const errLocked = unix.EWOULDBLOCK

// lockFile locks a file until it is closed.
func lockFile(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

// syncFolder has the names in a folder outlive the machine.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
