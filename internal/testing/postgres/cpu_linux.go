package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of /proc for times: USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

// CPU is what all processes of the server have used so far.
func (s *Server) CPU() (used time.Duration, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err != nil && len(stat) == 0 {
			continue // It has ended.
		}
		of, err := cpuOf(stat, s.PID())
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		used += of
	}
	return used, nil
}

// cpuOf reads what a process used, where it is the server's first one, with what its children used
// that have ended, or one of its children.
func cpuOf(stat []byte, server int) (used time.Duration, err error) {
	pid, rest, ok := bytes.Cut(stat, []byte(" "))
	end := bytes.LastIndexByte(rest, ')') // The name may hold anything.
	if !ok || end < 0 {
		return 0, errors.New("no such format is known")
	}
	fields := bytes.Fields(rest[end+1:])
	const parent, utime, cstime = 1, 11, 14 // Counted from the state.
	if len(fields) <= cstime {
		return 0, errors.New("no such format is known")
	}
	last := utime + 1
	if string(pid) == strconv.Itoa(server) {
		last = cstime
	} else if string(fields[parent]) != strconv.Itoa(server) {
		return 0, nil
	}
	for _, field := range fields[utime : last+1] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, err
		}
		used += time.Duration(n) * tick
	}
	return used, nil
}
