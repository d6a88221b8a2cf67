package peal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest  = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	testedFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// TestSecurityPagesNameTests: what these pages say is held names the test that holds it, so a
// test that was renamed or removed fails here.
func TestSecurityPagesNameTests(t *testing.T) {
	there := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == "node_modules" || name == "testdata" || path != "." && strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range testedFunc.FindAllStringSubmatch(string(text), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"security.md", "threat-model.md"} {
		text, err := os.ReadFile(filepath.Join("docs", "run", page))
		if err != nil {
			t.Fatal(err)
		}
		named := namedTest.FindAllStringSubmatch(string(text), -1)
		if len(named) < 20 {
			t.Errorf("%s names %d tests", page, len(named))
		}
		for _, m := range named {
			if !there[m[1]] {
				t.Errorf("%s names %s, which no package has", page, m[1])
			}
		}
	}
}

// TestContributing: a path, a target of make or a flag of a test that CONTRIBUTING.md names is there.
func TestContributing(t *testing.T) {
	page, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, m := range regexp.MustCompile("(?:`|\\./|\\()((?:internal|web|docs|e2e)/[\\w./-]*\\w)").FindAllStringSubmatch(string(page), -1) {
		named++
		if _, err := os.Stat(strings.TrimSuffix(m[1], "/...")); err != nil {
			t.Errorf("CONTRIBUTING.md names %s: %v", m[1], err)
		}
	}
	for _, m := range regexp.MustCompile(`make ([a-z0-9-]+)`).FindAllStringSubmatch(string(page), -1) {
		named++
		if !strings.Contains(string(makefile), "\n"+m[1]+":") {
			t.Errorf("CONTRIBUTING.md names make %s, which the Makefile does not have", m[1])
		}
	}
	sim, err := os.ReadFile("internal/testing/sim/sim_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`TestSchedules\$' -seed=\d+(?: -(\w+)=)?`).FindAllStringSubmatch(string(page), -1) {
		named++
		if m[1] != "" && !strings.Contains(string(sim), `("`+m[1]+`"`) {
			t.Errorf("CONTRIBUTING.md names the flag -%s, which the simulator does not have", m[1])
		}
	}
	if named < 20 {
		t.Errorf("CONTRIBUTING.md names %d things", named)
	}
}
