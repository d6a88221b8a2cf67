package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// built is what a binary says of itself.
func built() *debug.BuildInfo {
	sum := "h1:" + strings.Repeat("A", 43) + "="
	return &debug.BuildInfo{
		GoVersion: "go1.26.8 X:nodwarf5", Main: debug.Module{Path: module, Version: "v1.2.3+dirty"},
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v1.0.0", Sum: sum},
			{Path: "example.com/b", Version: "v2.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v2.0.1", Sum: sum}},
			{Path: module + "/client", Version: "v0.0.0", Replace: &debug.Module{Path: "./client", Version: "(devel)"}},
		},
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "-ldflags", Value: "-s -w"}},
	}
}

var licensed = []string{"example.com/a v1.0.0, LICENSE", "example.com/fork v2.0.1, LICENSE", "Go, LICENSE"}

// Scanners know modules by these names, so each is held letter by letter.
func TestBill(t *testing.T) {
	text, err := billOf(built(), []byte("binary"), time.Unix(1796040000, 0).UTC(), licensed)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/bill.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(want) {
		t.Errorf("got %s\nwant %s", text, want)
	}
}

// What is in the binary and not accounted for makes no release.
func TestBillRefuses(t *testing.T) {
	for name, change := range map[string]func(*debug.BuildInfo){
		"no license was found": func(i *debug.BuildInfo) { i.Deps[0].Version = "v1.0.1" },
		"the sum of":           func(i *debug.BuildInfo) { i.Deps[0].Sum = "" },
	} {
		info := built()
		change(info)
		if _, err := billOf(info, nil, time.Time{}, licensed); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A release has an archive and a list for each system, a package for each Linux, and sums of
// all. The program packed here is this test.
func TestRelease(t *testing.T) {
	work, out := t.TempDir(), t.TempDir()
	b := builder{root: filepath.Join("..", ".."), binaries: work, date: time.Unix(1796040000, 0).UTC(), licenses: map[target]map[string][]byte{}}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range targets[:3] {
		if err := os.Symlink(program, b.binary(one)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := b.release(targets[:3])
	if err != nil {
		t.Fatal(err)
	}
	if err := write(out, files); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	var endings []string
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		content, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || fmt.Sprintf("%x", sha256.Sum256(content)) != sum {
			t.Errorf("%s: the sum is wrong: %v", name, err)
		}
		_, system, _ := strings.Cut(name, "(devel)")
		endings = append(endings, strings.Trim(system, "-_"))
		if strings.HasSuffix(name, ".cdx.json") {
			var list bill
			if err := json.Unmarshal(content, &list); err != nil || list.Components[0].Name != "stdlib" || list.Metadata.Timestamp != b.date {
				t.Errorf("%s: %v\n%s", name, err, content)
			}
		}
	}
	want := []string{
		"linux-amd64.tar.gz", "linux-amd64.cdx.json", "amd64.deb", "linux-arm64.tar.gz", "linux-arm64.cdx.json", "arm64.deb",
		"darwin-amd64.tar.gz", "darwin-amd64.cdx.json",
	}
	if !slices.Equal(endings, want) {
		t.Errorf("got %q, want %q", endings, want)
	}
}
