package main

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"strings"
	"time"
)

// debianVersion is a version by whose order apt goes: before a release comes whatever has
// more after a hyphen.
func debianVersion(version string) string { return strings.ReplaceAll(version, "-", "~") }

// debian makes a package of a binary; deploy/debian says what it does when installed.
func (b *builder) debian(t target, version string, binary []byte) (file, error) {
	sources, err := b.read("deploy/debian/control", "deploy/debian/postinst", "deploy/debian/prerm", "deploy/debian/postrm",
		"deploy/debian/copyright", "deploy/peal.service", "deploy/peal.json", "deploy/debian/peal.sysusers")
	if err != nil {
		return file{}, err
	}
	text := map[string][]byte{}
	for _, f := range sources {
		text[f.path] = f.content
	}
	changelog, err := b.changelog(version, text["control"])
	if err != nil {
		return file{}, err
	}
	files := []file{
		{"etc/peal", 0o755, nil},
		{"usr/bin/peal", 0o755, binary},
		{"usr/lib/systemd/system/peal.service", 0o644, text["peal.service"]},
		{"usr/lib/sysusers.d/peal.conf", 0o644, text["peal.sysusers"]},
		{"usr/share/doc/peal/changelog.gz", 0o644, changelog},
		{"usr/share/doc/peal/LICENSES.txt", 0o644, b.allLicenses(t)},
		{"usr/share/doc/peal/copyright", 0o644, text["copyright"]},
		{"usr/share/peal/peal.json", 0o644, text["peal.json"]},
	}
	data, err := tarred(b.date, "./", files)
	if err != nil {
		return file{}, err
	}
	size, sums := 0, bytes.Buffer{}
	for _, f := range files {
		if f.content != nil {
			size += len(f.content)
			fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.content), f.path)
		}
	}
	control := strings.NewReplacer("@VERSION@", version, "@ARCH@", t.arch, "@SIZE@", fmt.Sprint((size+1023)/1024)).
		Replace(string(text["control"]))
	meta, err := tarred(b.date, "./", []file{
		{"control", 0o644, []byte(control)},
		{"md5sums", 0o644, sums.Bytes()},
		{"postinst", 0o755, text["postinst"]},
		{"postrm", 0o755, text["postrm"]},
		{"prerm", 0o755, text["prerm"]},
	})
	if err != nil {
		return file{}, err
	}
	content := ar(b.date, []file{
		{"debian-binary", 0o644, []byte("2.0\n")}, {"control.tar.gz", 0o644, meta}, {"data.tar.gz", 0o644, data},
	})
	return file{fmt.Sprintf("peal_%s_%s.deb", version, t.arch), 0o644, content}, nil
}

// changelog has one entry, for the version that the package is of.
func (b *builder) changelog(version string, control []byte) ([]byte, error) {
	_, after, _ := strings.Cut(string(control), "\nMaintainer: ")
	maintainer, _, _ := strings.Cut(after, "\n")
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(z, "peal (%s) unstable; urgency=medium\n\n  * See the log of the repository.\n\n -- %s  %s\n",
		version, maintainer, b.date.Format(time.RFC1123Z))
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ar makes an archive as Unix has it, with names of up to 16 bytes.
func ar(date time.Time, files []file) []byte {
	out := bytes.NewBufferString("!<arch>\n")
	for _, f := range files {
		fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", f.path, date.Unix(), 0, 0, "100644", len(f.content))
		out.Write(f.content)
		if len(f.content)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}
