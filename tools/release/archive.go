package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"path"
	"slices"
	"strings"
	"time"
)

// tarball packs files into one folder, as a compressed tar.
func tarball(date time.Time, folder string, files []file) ([]byte, error) {
	var inside []file
	for _, f := range files {
		inside = append(inside, file{path.Join(folder, f.path), f.mode, f.content})
	}
	return tarred(date, "", inside)
}

// tarred makes a compressed tar of files and of the folders that hold them, all owned by
// root, with paths after a prefix.
func tarred(date time.Time, prefix string, files []file) ([]byte, error) {
	var out bytes.Buffer
	// No name and no time in its header.
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	header := tar.Header{ModTime: date, Uname: "root", Gname: "root", Format: tar.FormatGNU}
	for _, folder := range folders(files) {
		h := header
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, prefix+folder+"/", 0o755
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		if f.content == nil {
			continue // A folder.
		}
		h := header
		h.Typeflag, h.Name, h.Mode, h.Size = tar.TypeReg, prefix+f.path, f.mode, int64(len(f.content))
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// folders lists those that hold files, the outer ones first. A file without content stands
// for an empty folder.
func folders(files []file) []string {
	var found []string
	for _, f := range files {
		name := f.path
		if f.content != nil {
			name = path.Dir(name)
		}
		for ; name != "."; name = path.Dir(name) {
			found = append(found, name)
		}
	}
	slices.SortFunc(found, strings.Compare)
	return slices.Compact(found)
}

// zipped packs files into one folder, as a zip.
func zipped(date time.Time, folder string, files []file) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: path.Join(folder, f.path), Method: zip.Deflate, Modified: date})
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
