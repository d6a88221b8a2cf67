package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the step in which the kernel tells the CPU time of processes that have ended.
const tick = 10 * time.Millisecond

// cpu is what processes and all below them have used so far, user and system. A process's
// figure holds all its threads: those that have ended, and those of the kernel that work
// for it alone (io_uring's), which are threads of the process.
func cpu(pids ...int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		used, err := cpuWithEnded(pid)
		if err != nil {
			return 0, err
		}
		sum += used
		for _, child := range children(pid) {
			more, err := cpuWithEnded(child)
			if err == nil { // It may have ended.
				sum += more
			}
		}
	}
	return sum, nil
}

// cpuWithEnded is the CPU time of a process and of its children that have ended.
func cpuWithEnded(pid int) (time.Duration, error) {
	used, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	for _, field := range fields[13:15] { // cutime, cstime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		used += time.Duration(n) * tick
	}
	return used, nil
}

// switched is how often threads have left a processor.
type switched struct {
	// waited counts voluntary switches, where a thread waits; preempted those where
	// another one had its turn.
	waited, preempted int64
}

func (s switched) since(before switched) switched {
	return switched{s.waited - before.waited, s.preempted - before.preempted}
}

// switches counts for processes and all below them, by the threads that there are.
func switches(pids ...int) switched {
	var sum switched
	for _, pid := range family(pids) {
		paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // It has ended.
			}
			one := switchesIn(string(text))
			sum.waited += one.waited
			sum.preempted += one.preempted
		}
	}
	return sum
}

// switchesIn reads the status of one thread.
func switchesIn(status string) (s switched) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		switch name {
		case "voluntary_ctxt_switches":
			s.waited = n
		case "nonvoluntary_ctxt_switches":
			s.preempted = n
		}
	}
	return s
}

// family is some processes and all below them.
func family(pids []int) []int {
	var all []int
	for _, pid := range pids {
		all = append(append(all, pid), children(pid)...)
	}
	return all
}

// children are the processes that a process has forked, at any depth.
func children(pid int) []int {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var found []int
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				found = append(append(found, child), children(child)...)
			}
		}
	}
	return found
}
