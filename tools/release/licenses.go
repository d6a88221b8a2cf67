package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licenseFile matches the files of a module that must be passed on with the module.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// addLicenses reads those of every module that the binary for a system has, and of Go.
func (b *builder) addLicenses(t target, env []string) error {
	root, err := command(b.root, env, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	list, err := command(b.root, env, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}", "./cmd/peal")
	if err != nil {
		return err
	}
	modules := map[string]string{"Go, its runtime and standard library": root}
	for line := range strings.Lines(list) {
		name, folder, found := strings.Cut(strings.TrimSpace(line), "\t")
		if found && !strings.HasPrefix(name, "github.com/peal-rtc/peal") {
			modules[name] = folder
		}
	}
	b.licenses[t] = map[string][]byte{}
	for name, folder := range modules {
		if err := b.addLicense(t, name, folder); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) addLicense(t target, name, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("find the license of %s: %w", name, err)
	}
	found := false
	for _, entry := range entries {
		if entry.IsDir() || !licenseFile.MatchString(entry.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return fmt.Errorf("read the license of %s: %w", name, err)
		}
		b.licenses[t][name+", "+entry.Name()] = content
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no license file: find out whether it may be passed on", name)
	}
	return nil
}

// allLicenses is one text of those for a system.
func (b *builder) allLicenses(t target) []byte {
	out := bytes.NewBufferString("Peal is made of these as well, each under the license below its name.\n")
	for _, name := range slices.Sorted(maps.Keys(b.licenses[t])) {
		fmt.Fprintf(out, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), name, bytes.TrimSpace(b.licenses[t][name]))
	}
	return out.Bytes()
}
