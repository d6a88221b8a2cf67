// Package plant puts mistakes into the sources of this module, for tests that
// have to notice them. Only tests use it; it changes no file of the module.
package plant

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Source gives a file of the module, which is at root, with what is right in it
// replaced. The test fails unless that is there exactly once.
func Source(t testing.TB, root, file, right, wrong string) []byte {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), right); n != 1 {
		t.Fatalf("%s holds %d times what a bug is to take the place of:\n%s", file, n, right)
	}
	return []byte(strings.Replace(string(source), right, wrong, 1))
}

// Build makes the test binary of the package in the working directory with a file
// of the module replaced, and gives its path.
func Build(t testing.TB, root, file string, source []byte) string {
	t.Helper()
	folder := t.TempDir()
	replaced, err := filepath.Abs(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	with := filepath.Join(folder, "planted.go")
	overlay := filepath.Join(folder, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {replaced: with}})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{with: source, overlay: text} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(folder, "planted.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay="+overlay, "-o", binary, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build with a bug in %s: %v\n%s", file, err, out)
	}
	return binary
}
