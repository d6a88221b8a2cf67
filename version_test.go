package peal_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestOneVersion: every file that names the version of this project names that of the file VERSION.
func TestOneVersion(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	version := strings.TrimSpace(read("VERSION"))
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
		t.Fatalf("VERSION holds %q", version)
	}
	places := map[string]string{
		"web/sdk/src/version.ts":      `export const version = "([^"]*)"`,
		"web/sdk/npm/package.json":    `(?m)^  "version": "([^"]*)"`,
		"deploy/helm/peal/Chart.yaml": `(?m)^(?:version|appVersion): "?([\d.]+)"?$`,
	}
	for _, module := range []string{"", "client/", "internal/device/", "internal/socket/"} {
		places[module+"go.mod"] = `(?m)^(?:require )?\s*github\.com/peal-rtc/peal/\S+ v(\S+)$`
	}
	named := 0
	for name, pattern := range places {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(read(name), -1)
		for _, m := range found {
			if m[1] != version {
				t.Errorf("%s names the version %s, and VERSION %s: run scripts/version", name, m[1], version)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s names no version", name)
		}
		named += len(found)
	}
	if named != 13 {
		t.Errorf("%d places name the version, want 13: has scripts/version the new one?", named)
	}
	if log := read("CHANGELOG.md"); !strings.Contains(log, "\n## Unreleased\n") && !strings.Contains(log, "\n## "+version) {
		t.Errorf("CHANGELOG.md has neither Unreleased nor %s", version)
	}
}
