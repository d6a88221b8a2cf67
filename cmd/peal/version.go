package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCommand struct{}

// Run prints what the build noted of itself.
func (versionCommand) Run(std streams) error {
	_, err := fmt.Fprintln(std.out, "peal "+version())
	return err
}

func version() string {
	v, revision, modified := "unknown", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = " " + s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = ", modified"
			}
		}
	}
	return fmt.Sprintf("%s%s%s (%s %s/%s)", v, revision, modified, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
