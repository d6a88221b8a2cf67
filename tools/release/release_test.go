package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDebianVersion(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3": "1.2.3", "1.2.3-rc.1": "1.2.3~rc.1", "0.0.0-20261130120000-0123456789ab": "0.0.0~20261130120000~0123456789ab",
	} {
		if got := debianVersion(version); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
	}
}

// An archive tells nothing of the machine and the moment that made it.
func TestTarred(t *testing.T) {
	date := time.Unix(1796040000, 0).UTC()
	files := []file{{"etc/peal", 0o755, nil}, {"usr/bin/peal", 0o755, []byte("binary")}, {"usr/share/peal/peal.json", 0o644, []byte("{}")}}
	packed, err := tarred(date, "./", files)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if !z.ModTime.IsZero() || z.Name != "" {
		t.Errorf("gzip tells %v, %q", z.ModTime, z.Name)
	}
	var names []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if !h.ModTime.Equal(date) || h.Uid != 0 || h.Gid != 0 || h.Uname != "root" || h.Mode != 0o755 && h.Name != "./usr/share/peal/peal.json" {
			t.Errorf("%s: %+v", h.Name, h)
		}
	}
	want := []string{
		"./etc/", "./etc/peal/", "./usr/", "./usr/bin/", "./usr/share/", "./usr/share/peal/", "./usr/bin/peal", "./usr/share/peal/peal.json",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

func TestAr(t *testing.T) {
	got := string(ar(time.Unix(1796040000, 0), []file{{"debian-binary", 0o644, []byte("2.0\n")}, {"odd", 0o644, []byte("x")}}))
	want := "!<arch>\n" +
		"debian-binary   1796040000  0     0     100644  4         `\n2.0\n" +
		"odd             1796040000  0     0     100644  1         `\nx\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLicenseFile(t *testing.T) {
	for name, want := range map[string]bool{
		"LICENSE": true, "LICENSE.md": true, "licence.txt": true, "LICENSE-3RD-PARTY.md": true, "NOTICE": true, "COPYING": true, "PATENTS": true,
		"license_test.go": false, "README.md": false, "licenses.go": false,
	} {
		if got := licenseFile.MatchString(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	b := builder{licenses: map[target]map[string][]byte{targets[0]: {"a v1, LICENSE": []byte("MIT\n")}}}
	if text := b.allLicenses(targets[0]); !strings.Contains(string(text), "a v1, LICENSE\n\nMIT\n") {
		t.Errorf("got %s", text)
	}
}
