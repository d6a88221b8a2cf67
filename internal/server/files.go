package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"
)

// contentTypes are those of the files that are built for browsers, so that
// they do not depend on what this machine believes.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".ico":   "image/x-icon",
	".js":    "text/javascript; charset=utf-8",
	".cjs":   "text/javascript; charset=utf-8",
	".json":  "application/json",
	".map":   "application/json",
	".mp3":   "audio/mpeg",
	".ogg":   "audio/ogg",
	".png":   "image/png",
	".svg":   "image/svg+xml",
	".ts":    "text/plain; charset=utf-8",
	".wav":   "audio/wav",
	".woff2": "font/woff2",
}

// pagePolicy is what the pages of the server itself may do: load from here alone, connect
// anywhere by WebSocket, and use camera and microphone.
var pagePolicy = map[string]string{
	"Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
		"media-src 'self' data: blob:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; " +
		"form-action 'self'; frame-ancestors 'none'",
	"Permissions-Policy":           "camera=(self), microphone=(self), autoplay=(self), geolocation=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
}

// sdkPolicy lets any page load the component.
var sdkPolicy = map[string]string{
	"Access-Control-Allow-Origin":  "*",
	"Cross-Origin-Resource-Policy": "cross-origin",
}

// file is one embedded file, ready to be served.
type file struct {
	name    string
	content []byte
	// zipped is the content as gzip has it; nil where it is sent as it is.
	zipped  []byte
	headers http.Header
}

// files serves embedded files by their URL path. It never changes.
type files map[string]*file

// Pages know by these whether they come from a peal dev, where a name is enough to be
// somebody and some settings are not there.
var (
	devMark   = []byte(`data-server="dev"`)
	serveMark = []byte(`data-server="serve"`)
)

// loadFiles reads all files: sdk under /sdk/, the connection doctor at /doctor, demo at
// the root. A folder that was not built is not served.
func loadFiles(web fs.FS, dev bool) (files, error) {
	all := files{}
	for _, folder := range []struct {
		name, prefix string
		policy       map[string]string
	}{
		{"sdk", "/sdk/", sdkPolicy},
		{"doctor", "/doctor/", pagePolicy},
		{"demo", "/", pagePolicy},
	} {
		sub, err := fs.Sub(web, folder.name)
		if err != nil {
			return nil, fmt.Errorf("open web files: %w", err)
		}
		err = fs.WalkDir(sub, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := fs.ReadFile(sub, name)
			if err != nil {
				return err
			}
			if !dev && path.Ext(name) == ".html" {
				content = bytes.Replace(content, devMark, serveMark, 1)
			}
			all[folder.prefix+name], err = newFile(name, content, folder.policy)
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read web files: %w", err)
		}
	}
	if index := all["/index.html"]; index != nil {
		all["/"] = index
	}
	if index := all["/doctor/index.html"]; index != nil {
		all["/doctor"], all["/doctor/"] = index, index
	}
	return all, nil
}

func newFile(name string, content []byte, policy map[string]string) (*file, error) {
	zipped, err := compressed(name, content)
	if err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	hash := sha256.Sum256(content)
	f := &file{name: name, content: content, zipped: zipped, headers: http.Header{}}
	if zipped != nil {
		f.headers.Set("Vary", "Accept-Encoding")
	}
	// Asked about each time, and sent only when it has changed.
	f.headers.Set("Cache-Control", "no-cache")
	f.headers.Set("Etag", `"`+hex.EncodeToString(hash[:16])+`"`)
	f.headers.Set("X-Content-Type-Options", "nosniff")
	contentType, known := contentTypes[path.Ext(name)]
	if !known {
		contentType = "application/octet-stream"
	}
	f.headers.Set("Content-Type", contentType)
	for key, value := range policy {
		f.headers.Set(key, value)
	}
	return f, nil
}

// ServeHTTP serves one file.
func (all files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := all[r.URL.Path]
	if f == nil {
		if strings.HasPrefix(r.URL.Path, "/sdk/") {
			w.Header().Set("Access-Control-Allow-Origin", "*")
		}
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	maps.Copy(w.Header(), f.headers)
	content := f.content
	if f.zipped != nil && takesGzip(r) {
		content = f.zipped
		w.Header().Set("Content-Encoding", "gzip")
		// Other bytes, so another name.
		w.Header().Set("Etag", strings.TrimSuffix(f.headers.Get("Etag"), `"`)+`-gzip"`)
	}
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(content))
}
