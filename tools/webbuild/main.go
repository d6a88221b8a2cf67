// Command webbuild builds the web files that the server embeds: the browser
// component with its type declarations, the demo, and the connection doctor.
//
// It owns everything under web/dist: a file there that no source accounts for
// is stale and goes. make generate runs it to write, make check with -check to
// compare. The same sources give the same bytes on every machine, since every
// tool behind it is pinned, in tools/go.mod and in web/package-lock.json.
//
// With -bundle it bundles one TypeScript file for Node instead, for a test.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// files maps a slash-separated path under web/dist to its content.
type files map[string][]byte

func main() {
	web := flag.String("web", "web", "the `folder` with the web sources")
	check := flag.Bool("check", false, "write nothing; list the stale files and fail when there are any")
	entry := flag.String("bundle", "", "bundle this TypeScript `file` for Node, and nothing else")
	out := flag.String("o", "", "with -bundle: the `file` to write")
	flag.Parse()
	var err error
	if *entry != "" {
		err = instrument(*web, *entry, *out)
	} else {
		err = run(*web, *check)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "webbuild:", err)
		os.Exit(1)
	}
}

func run(web string, check bool) error {
	// The bundler wants absolute paths, and names files relative to web.
	web, err := filepath.Abs(web)
	if err != nil {
		return fmt.Errorf("find web sources: %w", err)
	}
	built, err := build(web)
	if err != nil {
		return err
	}
	dist := filepath.Join(web, "dist")
	present, err := read(dist)
	if err != nil {
		return err
	}
	stale := compare(built, present)
	if check {
		return report(stale)
	}
	for _, name := range stale {
		if err := replace(filepath.Join(dist, filepath.FromSlash(name)), built[name]); err != nil {
			return err
		}
	}
	return nil
}

// build makes all files in memory.
func build(web string) (files, error) {
	out := files{}
	for _, part := range []func(string, files) error{component, hooks, declarations, pages} {
		if err := part(web, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// read gives the files that are in a folder now; none when it does not exist.
func read(folder string) (files, error) {
	present := files{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		present[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read built files: %w", err)
	}
	return present, nil
}

// compare names, in order, the files that are missing, differ or are left over.
func compare(built, present files) []string {
	var stale []string
	for name, content := range built {
		if old, ok := present[name]; !ok || !bytes.Equal(old, content) {
			stale = append(stale, name)
		}
	}
	for name := range maps.Keys(present) {
		if _, ok := built[name]; !ok {
			stale = append(stale, name)
		}
	}
	slices.Sort(stale)
	return stale
}

func report(stale []string) error {
	if len(stale) == 0 {
		return nil
	}
	for _, name := range stale {
		fmt.Println("web/dist/" + name)
	}
	return fmt.Errorf("%d stale files: run make generate", len(stale))
}

// replace writes a file, or removes it where nothing was built for it.
func replace(path string, content []byte) error {
	if content == nil {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove left-over file: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("write built file: %w", err)
	}
	return nil
}
