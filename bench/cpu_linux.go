package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what a process has used so far, user and system. /proc tells it in steps of
// 10 ms, which are a tenth of what some rounds take: a clock of the process is exact.
func cpuTime(pid int) (time.Duration, error) {
	const scheduled = 2 // The kernel's CPUCLOCK_SCHED.
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(t.Nano()), nil
}
