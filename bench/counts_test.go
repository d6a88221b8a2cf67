package main

import (
	"maps"
	"os"
	"testing"
)

func TestStraceCounts(t *testing.T) {
	const table = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 41.53    0.120361          53      2240       430 futex
 20.10    0.058253          97       600           fdatasync
------ ----------- ----------- --------- --------- ----------------
100.00    0.289787          45      2840       430 total
`
	got, err := straceCounts(table)
	if want := map[string]float64{"futex": 2240, "fdatasync": 600}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := straceCounts("strace: attach: Operation not permitted\n"); err == nil {
		t.Error("no table is no error")
	}
	if got := listCalls(map[string]float64{"read": 2, "futex": 12.34, "close": 2}); got != "futex 12.3, close 2.0, read 2.0" {
		t.Errorf("got %s", got)
	}
}

func TestSwitchesIn(t *testing.T) {
	got := switchesIn("Name:\tpeal\nTracerPid:\t0\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n")
	if want := (switched{waited: 150, preempted: 545}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMetric(t *testing.T) {
	const text = "# TYPE go_memstats_mallocs_total counter\ngo_memstats_mallocs_total 1.5e+06\ngo_memstats_mallocs_total_x 7\n"
	if got, err := metric(text, "go_memstats_mallocs_total"); err != nil || got != 1.5e6 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := metric(text, "go_memstats_frees_total"); err == nil {
		t.Error("no metric is no error")
	}
}

// TestCPUOfChildren: the time of children that have ended counts.
func TestCPUOfChildren(t *testing.T) {
	before, err := cpuWithEnded(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(t.Context(), "sh", "sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		t.Fatal(err)
	}
	after, err := cpuWithEnded(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	used := p.cmd.ProcessState.SystemTime() + p.cmd.ProcessState.UserTime()
	if used < 5*tick {
		t.Fatalf("the shell has used %v: too little to tell", used)
	}
	if got := after - before; got < used-2*tick {
		t.Errorf("counted %v, and the shell alone has used %v", got, used)
	}
}

// TestFamily: a process comes with all below it.
func TestFamily(t *testing.T) {
	p, err := start(t.Context(), "sh", "sh", "-c", "sh -c 'sleep 5; :' >/dev/null 2>&1 & wait")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if err := until(t.Context(), func() bool { return len(family([]int{p.pid()})) == 3 }); err != nil {
		t.Errorf("found %v: %v", family([]int{p.pid()}), err)
	}
}
