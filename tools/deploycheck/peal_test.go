package deploycheck_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// folder holds the binary while the tests run.
var folder string

// command builds peal once.
var command = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(folder, "peal")
	build := exec.Command("go", "build", "-o", binary, "./cmd/peal")
	build.Dir = filepath.Join("..", "..")
	build.Stderr = os.Stderr
	return binary, build.Run()
})

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "peal-deploycheck-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// run runs peal with an environment of its own, and gives what it prints.
func run(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	binary, err := command()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary, args...)
	for name, value := range env {
		c.Env = append(c.Env, name+"="+value)
	}
	out, err := c.CombinedOutput()
	if err == nil && args[0] == "serve" && !slices.Contains(args, "--help") {
		t.Errorf("%v ended well", args)
	}
	return string(out)
}

// serve has peal serve read its settings, and stops it at its data folder, which cannot be made.
// The URLs of store and bus are left out: with them it would go on to connect.
func serve(t *testing.T, env map[string]string) string {
	t.Helper()
	env = maps.Clone(env)
	delete(env, "PEAL_STORE")
	delete(env, "PEAL_BUS")
	env["PEAL_DATA"] = filepath.Join(os.DevNull, "data")
	return run(t, env, "serve")
}

// takes holds that peal serve takes every variable of an environment.
func takes(t *testing.T, env map[string]string) {
	t.Helper()
	help := regexp.MustCompile(`\bPEAL_[A-Z_]+`).FindAllString(run(t, nil, "serve", "--help"), -1)
	for name := range env {
		if strings.HasPrefix(name, "PEAL_") && !slices.Contains(append(help, "PEAL_CONFIG"), name) {
			t.Errorf("%s is no setting", name)
		}
	}
	if got := serve(t, env); !strings.Contains(got, "not a directory") {
		t.Errorf("peal serve: %s", got)
	}
}
