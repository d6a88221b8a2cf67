package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// mostCalls bounds how many system calls are listed of one server.
const mostCalls = 12

// printProfile prints what a call costs beside CPU. Switches are those of the measured
// rounds; system calls and allocations are counted in further runs, which are slower.
func printProfile(ctx context.Context, all []*contender) {
	fmt.Printf("\n%-17s  %8s  %9s  %12s  %11s\n", "per call", "waits", "preempted", "system calls", "allocations")
	lists := make(map[string]string)
	for _, c := range all {
		calls, allocations := "–", "–"
		counts, err := countCalls(ctx, c)
		if err != nil {
			lists[c.name] = "not counted: " + err.Error()
		} else {
			calls, lists[c.name] = fmt.Sprintf("%.1f", total(counts)), listCalls(counts)
		}
		if c.allocations != nil {
			if n, err := c.allocations(ctx); err != nil {
				fmt.Printf("allocations of %s are not counted: %v\n", c.name, err)
			} else {
				allocations = fmt.Sprintf("%.0f", n)
			}
		}
		fmt.Printf("%-17s  %8.1f  %9.1f  %12s  %11s\n", c.name, median(c.waits), median(c.preempts), calls, allocations)
	}
	fmt.Println("\nsystem calls per call:")
	for _, c := range all {
		fmt.Printf("%-17s  %s\n", c.name, lists[c.name])
	}
}

func total(counts map[string]float64) (sum float64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// listCalls lists system calls, the most frequent first.
func listCalls(counts map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] == counts[b] {
			return strings.Compare(a, b)
		}
		if counts[a] > counts[b] {
			return -1
		}
		return 1
	})
	var list []string
	for _, name := range names[:min(len(names), mostCalls)] {
		list = append(list, fmt.Sprintf("%s %.1f", name, counts[name]))
	}
	return strings.Join(list, ", ")
}

// countCalls counts the system calls of one call by strace. Without strace it is what
// /proc tells: reads and writes of files and pipes.
func countCalls(ctx context.Context, c *contender) (map[string]float64, error) {
	if need("strace", "strace") != nil {
		return readsAndWrites(ctx, c)
	}
	folder, err := os.MkdirTemp("", "peal-bench-strace-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	file := filepath.Join(folder, "counts")
	command := []string{"strace", "-c", "-f", "-o", file}
	pids := family(c.pids)
	for _, pid := range pids {
		command = append(command, "-p", strconv.Itoa(pid))
	}
	p, err := start(ctx, "strace", command...)
	if err != nil {
		return nil, err
	}
	p.quit = syscall.SIGINT
	defer p.stop()
	if err := p.until(ctx, func() bool { return traced(pids) }); err != nil {
		return nil, err
	}
	calls, err := c.calls(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: strace slows a server, so give a lower -rate", err)
	}
	p.stop()
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	counts, err := straceCounts(string(text))
	for name := range counts {
		counts[name] /= float64(max(calls, 1))
	}
	return counts, err
}

// traced tells whether all threads of processes have a tracer.
func traced(pids []int) bool {
	for _, pid := range pids {
		paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, path := range paths {
			if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), "\nTracerPid:\t0\n") {
				return false
			}
		}
	}
	return true
}

// straceCounts reads the table that strace -c writes.
func straceCounts(table string) (map[string]float64, error) {
	counts := make(map[string]float64)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		// Of errors the column is empty where there are none.
		if len(fields) < 5 || fields[len(fields)-1] == "total" {
			continue
		}
		if n, err := strconv.ParseFloat(fields[3], 64); err == nil {
			counts[fields[len(fields)-1]] = n
		}
	}
	if len(counts) == 0 {
		return nil, fmt.Errorf("strace has counted nothing: %s", strings.TrimSpace(table))
	}
	return counts, nil
}

// readsAndWrites counts what /proc tells of a process's files.
func readsAndWrites(ctx context.Context, c *contender) (map[string]float64, error) {
	count := func() map[string]float64 {
		sums := make(map[string]float64)
		for _, pid := range family(c.pids) {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
			if err != nil {
				continue // It has ended.
			}
			for line := range strings.Lines(string(text)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				if n, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(name, "sysc") {
					sums[map[string]string{"syscr": "read (by /proc)", "syscw": "write (by /proc)"}[name]] += n
				}
			}
		}
		return sums
	}
	before := count()
	calls, err := c.calls(ctx)
	if err != nil {
		return nil, err
	}
	after := count()
	for name := range after {
		after[name] = (after[name] - before[name]) / float64(max(calls, 1))
	}
	return after, nil
}

// countAllocations counts those of one call in a server that tells its metrics.
func countAllocations(ctx context.Context, o *callOptions, json bool, binary string, more ...string) (float64, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	c, err := startCalls(ctx, o, "profiled", json, binary, append(slices.Clone(more), "--metrics-addr", addr)...)
	if err != nil {
		return 0, err
	}
	defer c.stop()
	if _, err := c.calls(ctx); err != nil { // To warm up.
		return 0, err
	}
	before, err := allocated(ctx, addr)
	if err != nil {
		return 0, err
	}
	calls, err := c.calls(ctx)
	if err != nil {
		return 0, err
	}
	after, err := allocated(ctx, addr)
	return (after - before) / float64(max(calls, 1)), err
}

// allocated is how many objects a server has allocated so far.
func allocated(ctx context.Context, addr string) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(w.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	return metric(string(text), "go_memstats_mallocs_total")
}

// metric finds a metric without labels in what Prometheus reads.
func metric(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the server has no metric %s", name)
}
