package sim_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/peal-rtc/peal/internal/testing/plant"
	"github.com/peal-rtc/peal/internal/testing/sim"
)

// root is the module's folder.
const root = "../../.."

var (
	planted = flag.Int("planted", 0, "plant each bug and look for it in so many schedules, from several first seeds; 0 plants none")
	only    = flag.String("planted-only", "", "plant only bugs whose names or files match this regular expression")
)

// firsts are the seeds that the search for each bug begins at.
var firsts = []uint64{1, 100_001, 200_001}

var ranSchedules = regexp.MustCompile(`schedules=(\d+) .*violations=(\d+)`)

func TestPlanted(t *testing.T) {
	// Also without a run of their own the bugs must be ones of today's code.
	for _, b := range slices.Concat(bugs, clusterBugs, scriptBugs) {
		plant.Source(t, root, b.file, b.right, b.wrong)
	}
	if *planted == 0 {
		return
	}
	// Without a bug nothing is found: each counts for itself.
	right := bugs[0].right
	sound := plant.Build(t, root, bugs[0].file, plant.Source(t, root, bugs[0].file, right, right))
	worker, err := bundle()
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range firsts {
		for _, languages := range []sim.Languages{sim.Go, sim.TypeScript} {
			if out, n := search(t, sound, first, min(*planted, 300), languages, worker); n > 0 {
				t.Fatalf("from seed %d on there are violations without a bug:\n%s", first, out)
			}
		}
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		t.Fatalf("-planted-only: %v", err)
	}
	tried, caught := 0, 0
	try := func(b bug, languages sim.Languages, build func() (binary, worker string)) {
		if !chosen.MatchString(b.name) && !chosen.MatchString(b.file) {
			return
		}
		tried++
		binary, worker := build()
		if hunt(t, b, languages, binary, worker) {
			caught++
		}
	}
	for _, b := range slices.Concat(bugs, clusterBugs) {
		try(b, sim.Go, func() (string, string) {
			return plant.Build(t, root, b.file, plant.Source(t, root, b.file, b.right, b.wrong)), ""
		})
	}
	for _, b := range scriptBugs {
		try(b, sim.TypeScript, func() (string, string) { return sound, plantWorker(t, b) })
	}
	fmt.Printf("planted=%d caught=%d\n", tried, caught)
}

// hunt looks for a bug from each of the first seeds on, and says whether all find it.
func hunt(t *testing.T, b bug, languages sim.Languages, binary, worker string) bool {
	t.Helper()
	var counts []int
	by := languages
	for _, first := range firsts {
		_, n := search(t, binary, first, *planted, languages, worker)
		if n == 0 && languages == sim.TypeScript {
			// Nobody has suffered from it yet: the twin in Go does something else.
			by = sim.Lockstep
			_, n = search(t, binary, first, *planted, by, worker)
		}
		if n == 0 && by == sim.Lockstep {
			by = "random inputs" // They reach what is too unlikely in a world.
			n = differs(t, worker, first, *planted)
		}
		if n > 0 {
			counts = append(counts, n)
		}
	}
	slices.Sort(counts)
	if len(counts) < len(firsts) {
		t.Errorf("%s: caught from %d of %d seeds within %d schedules", b.name, len(counts), len(firsts), *planted)
		return false
	}
	t.Logf("%5d schedules (median), %5d (most), devices=%s: %s", counts[len(counts)/2], counts[len(counts)-1], by, b.name)
	return true
}

// The same of the device in TypeScript, in the time that make test has: twins that are
// given random inputs find some bugs, and schedules one of them.
func TestPlantedScripts(t *testing.T) {
	if *seed != 0 || *untilOne {
		return // Of TestSchedules alone.
	}
	for _, b := range scriptBugs {
		if !slices.Contains(foundSoon, b.name) {
			continue // Tens of twins, or hundreds: TestPlanted has the time.
		}
		path := plantWorker(t, b)
		if n := differs(t, path, 1, 200); n == 0 {
			t.Errorf("%s: not noticed by twins", b.name)
		} else {
			t.Logf("%5d twins: %s", n, b.name)
		}
		if b.name != foundSoon[0] {
			continue
		}
		if x := runAll(t, sim.TypeScript, path, 1, 200, true); len(x.failed) == 0 {
			t.Errorf("%s: not caught in %d schedules", b.name, x.ran)
		}
	}
}

// differs gives twins random inputs until some differ, and says which they were, counted
// from the first; zero where none do.
func differs(t *testing.T, workerPath string, first uint64, most int) (n int) {
	t.Helper()
	worker := startWorker(t, sim.Lockstep, workerPath)
	for n := range most {
		if sim.RunRandom(first+uint64(n), worker, randomSteps) != nil {
			return n + 1
		}
	}
	return 0
}

// foundSoon are bugs that a few twins find, and the first one few schedules.
var foundSoon = []string{
	"a hang-up is not repeated after a reconnect (ts)",
	"an old snapshot takes the place of a newer one (ts)",
	"a call that went on while the program was started again is not shown (ts)",
	"the call that an invitation merged into is not shown (ts)",
	"an invitation of which there is no word yet is cancelled, and not given up (ts)",
	"a record is told as often as it comes (ts)",
	"the hello of the second socket does not count as newer (ts)",
	"a kept token is used after its end (ts)",
	"a record is told again after a reload (ts)",
	"a draft that was given up is sent (ts)",
}

// plantWorker bundles the worker with a bug in the device, and gives its path.
func plantWorker(t testing.TB, b bug) string {
	t.Helper()
	folder := t.TempDir()
	copied := []string{"web/tsconfig.json", "web/sdk/test/device/worker.ts"}
	sources, err := filepath.Glob(filepath.Join(root, "web/sdk/src/device/*.ts"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources of the device: %v", err)
	}
	for _, path := range sources {
		copied = append(copied, "web/sdk/src/device/"+filepath.Base(path))
	}
	for _, file := range copied {
		source, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if file == b.file {
			source = plant.Source(t, root, b.file, b.right, b.wrong)
		}
		path := filepath.Join(folder, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, source, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(folder, "worker.cjs")
	if err := bundleWorker(filepath.Join(folder, "web"), out); err != nil {
		t.Fatalf("%s: %v", b.name, err)
	}
	return out
}

// search runs schedules until one fails, and says which it was, counted from the
// first; zero where none does. A crash is noticed at once.
func search(t *testing.T, binary string, first uint64, most int, languages sim.Languages, worker string) (output []byte, n int) {
	t.Helper()
	output, err := exec.Command(binary, "-test.run=TestSchedules", "-until-one", "-schedules="+strconv.Itoa(most),
		"-first="+strconv.FormatUint(first, 10), "-devices="+string(languages), "-worker="+worker).CombinedOutput()
	m := ranSchedules.FindSubmatch(output)
	switch {
	case m == nil && err != nil:
		return output, 1
	case m == nil || string(m[2]) == "0":
		return output, 0
	}
	if n, err = strconv.Atoi(string(m[1])); err != nil {
		t.Fatal(err)
	}
	return output, n
}
