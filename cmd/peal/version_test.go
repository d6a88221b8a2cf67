package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	built := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	of := func(version string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for i := 0; i < len(settings); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return info
	}
	const revision, date = "0123456789abcdef0123456789abcdef01234567", "2026-11-30T12:00:00Z"
	for _, test := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{of("v0.2.0", "vcs.revision", revision, "vcs.time", date, "vcs.modified", "false"), "0.2.0, commit 0123456789ab, " + date + ", " + built},
		{of("v0.2.1-0.20261130120000-0123456789ab+dirty", "vcs.revision", revision, "vcs.time", date, "vcs.modified", "true"), "0.2.1-0.20261130120000-0123456789ab+dirty, commit 0123456789ab, " + date + ", modified since, " + built},
		{of("v0.2.0"), "0.2.0, " + built}, // By go install.
		{of("(devel)"), "unknown version, " + built},
		{of(""), "unknown version, " + built},
		{of("", "vcs.revision", "ab"), "unknown version, commit ab, " + built},
	} {
		if got := describe(test.info); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
