package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes one that has the shape of this project: its modules, with nothing in them, and
// programs that stand for those that build.
func repository(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	put := func(path, text string, mode os.FileMode) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, script := range []string{"release", "version"} {
		text, err := os.ReadFile("../../scripts/" + script)
		if err != nil {
			t.Fatal(err)
		}
		put("scripts/"+script, string(text), 0o755)
	}
	const peal = "github.com/peal-rtc/peal"
	need := func(path, up string) string {
		return "require " + peal + "/" + path + " v1.2.3\n\nreplace " + peal + "/" + path + " => " + up + path + "\n\n"
	}
	module := func(path, needs, imports string) {
		full, name := peal, "main"
		if path != "." {
			full, name = peal+"/"+path, filepath.Base(path)
		}
		put(path+"/go.mod", "module "+full+"\n\ngo 1.24\n\n"+needs, 0o644)
		if path == "." {
			path = "cmd/peal"
		}
		put(path+"/"+name+".go", "package "+name+"\n\n"+imports, 0o644)
	}
	module("internal/protocol", "", "const Version = 1\n")
	module("internal/device", need("internal/protocol", "../../"), "import _ \""+peal+"/internal/protocol\"\n")
	module("internal/socket", need("internal/protocol", "../../"), "import _ \""+peal+"/internal/protocol\"\n")
	module("client", need("internal/device", "../")+need("internal/socket", "../")+need("internal/protocol", "../"),
		"import (\n\t_ \""+peal+"/internal/device\"\n\t_ \""+peal+"/internal/socket\"\n)\n")
	module(".", need("client", "./")+need("internal/device", "./")+need("internal/socket", "./")+need("internal/protocol", "./"),
		"import _ \""+peal+"/client\"\n\nfunc main() {}\n")
	put("VERSION", "1.2.3\n", 0o644)
	put("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\nlater\n\n## 1.2.3 (today)\n\nIt has\n\n- calls.\n\n## 1.2.30\n\nother\n", 0o644)
	put("LICENSE", "a license\n", 0o644)
	put("Makefile", "package:\n\tmkdir -p bin\n\techo component > bin/peal-rtc-1.2.3.tgz\n", 0o644)
	put("deploy/helm/peal/Chart.yaml", "version: 1.2.3\nappVersion: \"1.2.3\"\n", 0o644)
	put("web/sdk/src/version.ts", "export const version = \"1.2.3\";\n", 0o644)
	put("web/sdk/npm/package.json", "{\n  \"name\": \"peal-rtc\",\n  \"version\": \"1.2.3\",\n}\n", 0o644)
	put(".gitignore", "bin/\n", 0o644)
	// What the real one builds has tests of its own. This one shows what it is given.
	put("bin/tools/release", "#!/bin/sh\nmkdir -p \"$2\"\ngit describe --exact-match --match 'v*' > \"$2/described\"\ngrep -rl replace --include=go.mod . > \"$2/replaced\"\ntouch \"$2/SHA256SUMS\"\n", 0o755)
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"config", "user.name", "a developer"},
		{"config", "user.email", "dev@example.com"},
		{"add", "-A"},
		{"commit", "-qm", "first"},
	} {
		git(t, dir, args...)
	}
	return dir
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.Command("git", args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func script(dir, name string, args ...string) (out string, err error) {
	command := exec.Command(filepath.Join(dir, "scripts", name), args...)
	command.Env = append(os.Environ(), "GOFLAGS=")
	text, err := command.CombinedOutput()
	return string(text), err
}

// TestReleaseScript: a release has tags that its users can install, and notes.
func TestReleaseScript(t *testing.T) {
	dir := repository(t)
	commit := git(t, dir, "rev-parse", "HEAD")
	if out, err := script(dir, "release", "--dry-run"); err != nil || git(t, dir, "tag") != "" || !strings.Contains(out, "nothing was tagged") {
		t.Fatalf("dry run: %v, tags %q\n%s", err, git(t, dir, "tag"), out)
	}
	out, err := script(dir, "release")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "client/v1.2.3\ninternal/device/v1.2.3\ninternal/protocol/v1.2.3\ninternal/socket/v1.2.3\nv1.2.3"
	if tags := git(t, dir, "tag"); tags != want {
		t.Errorf("tags %q", tags)
	}
	if now := git(t, dir, "rev-parse", "HEAD"); now != commit || git(t, dir, "status", "--porcelain") != "" {
		t.Error("the branch or its files have changed")
	}
	if notes := git(t, dir, "tag", "-l", "--format=%(contents)", "v1.2.3"); notes != "Peal 1.2.3\n\nIt has\n\n- calls." {
		t.Errorf("the tag says %q", notes)
	}
	mod := git(t, dir, "show", "v1.2.3:go.mod")
	if strings.Contains(mod, "replace") || !strings.Contains(mod, "peal/client v1.2.3") {
		t.Errorf("the go.mod that is tagged:\n%s", mod)
	}
	if sums := git(t, dir, "show", "v1.2.3:go.sum"); strings.Count(sums, "peal/client v1.2.3") != 2 {
		t.Errorf("the go.sum that is tagged:\n%s", sums)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, "bin", "dist", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	if got := read("described"); got != "v1.2.3" {
		t.Errorf("the binaries are built from %q", got)
	}
	if got := read("replaced"); got != "" {
		t.Errorf("the binaries are built with replace directives of %q", got)
	}
	if got := read("NOTES.md"); got != "It has\n\n- calls." {
		t.Errorf("notes %q", got)
	}
	if got := read("SHA256SUMS"); !strings.Contains(got, "  peal-rtc-1.2.3.tgz\n") || !strings.HasSuffix(got, "  peal-1.2.3.tgz") {
		t.Errorf("sums %q", got)
	}
	if !strings.Contains(out, "git push origin internal/protocol/v1.2.3 internal/device/v1.2.3") {
		t.Errorf("it prints\n%s", out)
	}
	// The next one is greater.
	for version, says := range map[string]string{"1.2.3": "the tag v1.2.3 exists", "1.1.9": "older than the tag v1.2.3"} {
		if out, err := script(dir, "version", version); err != nil {
			t.Fatalf("version: %v\n%s", err, out)
		}
		git(t, dir, "commit", "--allow-empty", "-qam", "version")
		refused(t, dir, says)
	}
}

// TestVersionScript: it writes all places.
func TestVersionScript(t *testing.T) {
	dir := repository(t)
	if out, err := script(dir, "version", "2.0.10"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	old, err := exec.Command("grep", "-rl", "--exclude-dir=.git", "--exclude-dir=scripts", "--exclude=CHANGELOG.md", "--exclude=Makefile", "1\\.2\\.3", dir).Output()
	if len(old) > 0 {
		t.Errorf("the version before is left in\n%s(%v)", old, err)
	}
	changed := git(t, dir, "diff", "--numstat")
	want := "1\t1\tVERSION\n4\t4\tgo.mod"
	for _, line := range strings.Split(want, "\n") {
		if !strings.Contains(changed, line) {
			t.Errorf("changes %q lack %q", changed, line)
		}
	}
}

// TestReleaseRefuses: what is not ready is not released, and the error says what to do.
func TestReleaseRefuses(t *testing.T) {
	dir := repository(t)
	edit := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\nall of it\n")
	refused(t, dir, "changes that are not committed")
	git(t, dir, "commit", "-qam", "changelog")
	refused(t, dir, `no text under the heading "## 1.2.3"`)
	git(t, dir, "checkout", "-qb", "other")
	refused(t, dir, "from the branch main")
	edit("VERSION", "1.2\n")
	refused(t, dir, `VERSION holds "1.2"`)
	if out, err := script(dir, "release", "--force"); err == nil || !strings.Contains(out, "unknown argument --force") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := script(dir, "version", "v1.2.3"); err == nil || !strings.Contains(out, "a version such as 1.2.3") {
		t.Errorf("%v\n%s", err, out)
	}
}

func refused(t *testing.T, dir, why string) {
	t.Helper()
	out, err := script(dir, "release")
	if exit := new(exec.ExitError); !errors.As(err, &exit) || !strings.Contains(out, why) {
		t.Errorf("%v, want a refusal with %q:\n%s", err, why, out)
	}
	if tags := git(t, dir, "tag"); strings.Contains(tags, "1.1.9") {
		t.Errorf("tags %q", tags)
	}
}
