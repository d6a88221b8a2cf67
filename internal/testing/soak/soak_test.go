package soak_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	soakFor = flag.Duration("soak", 12*time.Second, "for how long to call")
	table   = flag.String("soak-table", "", "a `file` for what was measured after each round, as CSV")
)

// longestRound is how long devices stay at most before they all log out and others log in.
const longestRound = time.Minute

// rest is how long a server is left alone before it is looked at.
const rest = 3 * time.Second

// what is measured, by its name among the metrics or in the database, and what it may grow by from the first
// third of the rounds to the last: a part of itself, and an amount.
var measured = []struct {
	name   string
	part   float64
	amount float64
}{
	{"go_goroutines", 0, 10},
	{"process_open_fds", 0, 10},
	{"process_resident_memory_bytes", 0.1, 24 << 20},
	{"go_memstats_heap_inuse_bytes", 0.1, 24 << 20},
	{"peal_calls_live", 0, 0},
	{"peal_devices", 0, 0},
	{"live_rows", 0, 0},
	{"ended_rows", 0.1, 1000},
	{"records_rows", 0.1, 1000},
	{"parties_rows", 0.1, 2000},
	{"database_bytes", 0.1, 6 << 20}, // The log is copied into the database at 4 MB.
}

// kept is how long the server keeps calls and records, as a part of the soak: in a third of it
// the tables are as full as they get. Without that they would grow for a day.
const kept = 1. / 12

const secret = "only for a test that calls by itself"

// TestSoak has devices log in, call each other and log out, round after round.
func TestSoak(t *testing.T) {
	binary, data := build(t), t.TempDir()
	addr, metrics := free(t), free(t)
	server := exec.Command(binary, "serve", "--addr", addr, "--metrics-addr", metrics, "--turn-addr", free(t), "--data", data,
		"--limits-invites-per-min", "6000", "--limits-pair-per-min", "6000", "--limits-rings-per-min", "6000", "--limits-hellos-per-min", "60000",
		"--limits-signal-bytes", "67108864", "--limits-sockets-per-addr", "5000", "--limits-declined-pause", "0s", "--log-level", "warn")
	server.Env = append(os.Environ(), "PEAL_SECRET="+secret)
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil || t.Failed() {
			t.Errorf("the server: %v\n%s", err, log.String())
		}
	})
	ready(t, addr)
	tables := database(t, filepath.Join(data, "peal.db"))

	round := min(longestRound, *soakFor/4)
	var rows [][]float64
	for begun := time.Now(); time.Since(begun) < *soakFor; {
		calls(t, binary, addr, round)
		time.Sleep(rest)
		now := look(t, metrics)
		maps.Copy(now, tables.look(t))
		row := []float64{time.Since(begun).Seconds()}
		for _, m := range measured {
			value, ok := now[m.name]
			if !ok {
				t.Fatalf("nothing measures %s", m.name)
			}
			row = append(row, value)
		}
		rows = append(rows, row)
	}
	write(t, rows)
	third := max(1, len(rows)/3)
	for i, m := range measured {
		first, last := median(rows[:third], i+1), median(rows[len(rows)-third:], i+1)
		t.Logf("%-32s %12.0f %12.0f in %d rounds", m.name, first, last, len(rows))
		if last > first*(1+m.part)+m.amount {
			t.Errorf("%s grew from %.0f to %.0f", m.name, first, last)
		}
	}
}

// calls is a round: devices log in, call each other for a while, and log out.
func calls(t *testing.T, binary, addr string, round time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), round+time.Minute)
	defer cancel()
	bench := exec.CommandContext(ctx, binary, "bench", "http://"+addr, "--devices", "200", "--rate", "20", "--talk", "1s",
		"--duration", round.String(), "--quiet")
	bench.Env = append(os.Environ(), "PEAL_SECRET="+secret)
	if out, err := bench.CombinedOutput(); err != nil {
		t.Fatalf("bench: %v\n%s", err, out)
	}
}

// look reads the metrics, those of one name added up.
func look(t *testing.T, addr string) map[string]float64 {
	t.Helper()
	answer, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	values := make(map[string]float64)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		name, _, _ = strings.Cut(name, "{")
		values[name] += n
	}
	return values
}

func ready(t *testing.T, addr string) {
	t.Helper()
	for range 300 {
		answer, err := http.Get("http://" + addr + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server is not ready")
}

// free is an address of this machine that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func median(rows [][]float64, column int) float64 {
	values := make([]float64, len(rows))
	for i, row := range rows {
		values[i] = row[column]
	}
	slices.SortFunc(values, cmp.Compare[float64])
	return values[len(values)/2]
}

// write keeps what was measured, where that is asked for.
func write(t *testing.T, rows [][]float64) {
	t.Helper()
	if *table == "" {
		return
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	header := []string{"seconds"}
	for _, m := range measured {
		header = append(header, m.name)
	}
	lines := [][]string{header}
	for _, row := range rows {
		line := make([]string, len(row))
		for i, value := range row {
			line[i] = fmt.Sprintf("%.0f", value)
		}
		lines = append(lines, line)
	}
	if err := w.WriteAll(lines); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*table, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
