package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCommand struct{}

// Run prints what the build noted of itself.
func (versionCommand) Run(std streams) error {
	_, err := fmt.Fprintln(std.out, "peal "+version())
	return err
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(info)
}

// describe tells version, commit and its time, as far as the build noted them: go build
// notes commits in a clone, not in a copy of the files, nor in a worktree of git.
func describe(info *debug.BuildInfo) string {
	var revision, date, modified string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case "vcs.time":
			date = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				modified = ", modified since"
			}
		}
	}
	parts := []string{strings.TrimPrefix(info.Main.Version, "v")}
	if parts[0] == "" || parts[0] == "(devel)" {
		parts[0] = "unknown version"
	}
	if revision != "" {
		parts = append(parts, "commit "+revision)
	}
	if date != "" {
		parts = append(parts, date+modified)
	}
	parts = append(parts, fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH))
	return strings.Join(parts, ", ")
}
