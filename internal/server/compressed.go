package server

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// compressible are the files that gzip makes much smaller. Pictures and sounds are compressed
// already.
var compressible = map[string]bool{
	".css": true, ".html": true, ".js": true, ".cjs": true, ".json": true, ".map": true, ".svg": true, ".ts": true,
}

// compressed gives a file as gzip has it, or nil where that is not worth while. Files are
// compressed once, when the server starts: they are the same for everyone, so their size
// tells nothing about a user.
func compressed(name string, content []byte) ([]byte, error) {
	if !compressible[path.Ext(name)] {
		return nil, nil
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() >= len(content) {
		return nil, nil
	}
	return b.Bytes(), nil
}

// takesGzip reports whether a request wants a whole file and takes it compressed by gzip. A client
// that asks for a range counts in the bytes of the file itself.
func takesGzip(r *http.Request) bool {
	if r.Header.Get("Range") != "" {
		return false
	}
	for _, value := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			name, parameter, _ := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			weight, given := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			return !given || (err == nil && q > 0)
		}
	}
	return false
}
