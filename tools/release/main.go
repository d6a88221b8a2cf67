// Command release builds what a release consists of, into bin/dist: an archive and a list of
// components (SBOM) for each system, Debian packages, and SHA256SUMS.
//
// It builds the commit that is checked out, in a clone of its own: changes that are not
// committed are left out, and the binaries know their commit. The same commit and the same Go
// give the same bytes on every machine: all times are that of the commit, and owner and mode
// of each file are written here. It needs git and Go, and nothing of Debian.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// target is a system that a release is for.
type target struct{ os, arch string }

// targets are all of them. The Linux ones get Debian packages too.
var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

// file is one file of an archive or package.
type file struct {
	path    string // With slashes, and none at the front.
	mode    int64
	content []byte
}

func main() {
	out := flag.String("o", filepath.Join("bin", "dist"), "the `folder` to write; what is in it goes")
	only := flag.String("only", "", "build for this system alone, such as `linux/amd64`")
	flag.Parse()
	if err := run(*out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(out, only string) error {
	work, err := os.MkdirTemp("", "peal-release-")
	if err != nil {
		return fmt.Errorf("make a folder for the clone: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	b := builder{root: filepath.Join(work, "peal"), binaries: work, licenses: map[target]map[string][]byte{}}
	if err := b.clone(); err != nil {
		return err
	}
	var built []target
	for _, t := range targets {
		if only != "" && only != t.os+"/"+t.arch {
			continue
		}
		if err := b.build(t); err != nil {
			return err
		}
		built = append(built, t)
	}
	if len(built) == 0 {
		return fmt.Errorf("-only is %q: give one of %v", only, targets)
	}
	release, err := b.release(built)
	if err != nil {
		return err
	}
	return write(out, release)
}

// write replaces the folder by files and their sums, and prints sizes.
func write(out string, release []file) error {
	if err := os.RemoveAll(out); err != nil {
		return fmt.Errorf("empty %s: %w", out, err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", out, err)
	}
	var sums bytes.Buffer
	for _, f := range release {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(f.content), f.path)
	}
	for _, f := range append(release, file{"SHA256SUMS", 0o644, sums.Bytes()}) {
		if err := os.WriteFile(filepath.Join(out, f.path), f.content, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
		fmt.Printf("%8.1f MB  %s\n", float64(len(f.content))/1e6, filepath.Join(out, f.path))
	}
	return nil
}

// builder builds one commit.
type builder struct {
	root     string // Of the clone.
	binaries string // Where they are built.
	date     time.Time
	licenses map[target]map[string][]byte // By module and file.
}

// clone checks the current commit out.
func (b *builder) clone() error {
	top, err := command("", nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	commit, err := command("", nil, "git", "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	if changes, err := command("", nil, "git", "status", "--porcelain"); err != nil {
		return err
	} else if changes != "" {
		fmt.Fprintln(os.Stderr, "release: leaves out what is not committed")
	}
	if _, err := command("", nil, "git", "clone", "--quiet", "--shared", "--no-checkout", top, b.root); err != nil {
		return err
	}
	if _, err := command(b.root, nil, "git", "checkout", "--quiet", "--detach", commit); err != nil {
		return err
	}
	seconds, err := command(b.root, nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("read the commit's time: %w", err)
	}
	b.date = time.Unix(unix, 0).UTC()
	return nil
}

func (b *builder) build(t target) error {
	fmt.Fprintf(os.Stderr, "release: build %s/%s\n", t.os, t.arch)
	env := []string{"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOFLAGS=", "GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0"}
	_, err := command(b.root, env, "go", "build", "-buildvcs=true", "-trimpath", "-ldflags=-s -w", "-o", b.binary(t), "./cmd/peal")
	if err != nil {
		return err
	}
	return b.addLicenses(t, env)
}

func (b *builder) binary(t target) string { return filepath.Join(b.binaries, t.os+"-"+t.arch) }

// release packs what was built.
func (b *builder) release(built []target) ([]file, error) {
	info, err := buildinfo.ReadFile(b.binary(built[0]))
	if err != nil {
		return nil, fmt.Errorf("read the version: %w", err)
	}
	version := strings.TrimPrefix(info.Main.Version, "v")
	texts, err := b.read("LICENSE", "README.md", "README.zh-CN.md", "deploy/peal.json", "deploy/peal.service")
	if err != nil {
		return nil, err
	}
	var release []file
	for _, t := range built {
		content, err := os.ReadFile(b.binary(t))
		if err != nil {
			return nil, fmt.Errorf("read what was built: %w", err)
		}
		pack, name, suffix := tarball, "peal", ".tar.gz"
		if t.os == "windows" {
			pack, name, suffix = zipped, "peal.exe", ".zip"
		}
		folder := fmt.Sprintf("peal-%s-%s-%s", version, t.os, t.arch)
		files := append([]file{{name, 0o755, content}, {"LICENSES.txt", 0o644, b.allLicenses(t)}}, texts...)
		archive, err := pack(b.date, folder, files)
		if err != nil {
			return nil, fmt.Errorf("pack for %s/%s: %w", t.os, t.arch, err)
		}
		list, err := b.sbom(t, content)
		if err != nil {
			return nil, fmt.Errorf("list what is in the binary for %s/%s: %w", t.os, t.arch, err)
		}
		release = append(release, file{folder + suffix, 0o644, archive}, file{folder + ".cdx.json", 0o644, list})
		if t.os != "linux" {
			continue
		}
		deb, err := b.debian(t, debianVersion(version), content)
		if err != nil {
			return nil, fmt.Errorf("make the package for %s: %w", t.arch, err)
		}
		release = append(release, deb)
	}
	return release, nil
}

// read reads files of the clone; an archive has them by their last name.
func (b *builder) read(paths ...string) ([]file, error) {
	var files []file
	for _, path := range paths {
		content, err := os.ReadFile(filepath.Join(b.root, filepath.FromSlash(path)))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		files = append(files, file{filepath.Base(path), 0o644, content})
	}
	return files, nil
}

// command runs a program and returns what it prints, without blanks around it.
func command(folder string, env []string, name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.Dir, c.Env = folder, append(os.Environ(), env...)
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}
