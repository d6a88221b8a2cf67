package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/peal-rtc/peal/web"
)

func TestFiles(t *testing.T) {
	built := fstest.MapFS{
		"sdk/peal.js":     {Data: []byte("export {}")},
		"sdk/peal.d.ts":   {Data: []byte("export {}")},
		"demo/index.html": {Data: []byte(`<!doctype html><body data-server="dev">`)},
		"demo/a/ring.ogg": {Data: []byte("OggS")},

		"doctor/index.html": {Data: []byte("<!doctype html>")},
		"doctor/main.js":    {Data: []byte("export {}")},
	}
	all, err := loadFiles(built, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path, contentType, origin, resource string
	}{
		{"/sdk/peal.js", "text/javascript; charset=utf-8", "*", "cross-origin"},
		{"/sdk/peal.d.ts", "text/plain; charset=utf-8", "*", "cross-origin"},
		{"/", "text/html; charset=utf-8", "", "same-origin"},
		{"/index.html", "text/html; charset=utf-8", "", "same-origin"},
		{"/a/ring.ogg", "audio/ogg", "", "same-origin"},
		{"/doctor", "text/html; charset=utf-8", "", "same-origin"},
		{"/doctor/", "text/html; charset=utf-8", "", "same-origin"},
		{"/doctor/main.js", "text/javascript; charset=utf-8", "", "same-origin"},
	} {
		w := httptest.NewRecorder()
		all.ServeHTTP(w, httptest.NewRequest(http.MethodGet, test.path, nil))
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Type") != test.contentType || h.Get("Cache-Control") != "no-cache" ||
			h.Get("Access-Control-Allow-Origin") != test.origin || h.Get("Cross-Origin-Resource-Policy") != test.resource {
			t.Errorf("%s: got %d %v", test.path, w.Code, h)
		}
	}
}

// The pages that are built say of themselves what kind of server they come from.
func TestPagesKnowTheirServer(t *testing.T) {
	for _, dev := range []bool{true, false} {
		all, err := loadFiles(web.Files(), dev)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/index.html", "/doctor"} {
			w := httptest.NewRecorder()
			all.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			text := w.Body.String()
			if strings.Contains(text, `data-server="dev"`) != dev || strings.Contains(text, `data-server="serve"`) == dev {
				t.Errorf("%s of a server with dev %t:\n%.600s", path, dev, text)
			}
		}
	}
}

// Browsers receive text compressed. A client that does not accept gzip receives it as it is.
func TestFilesCompressed(t *testing.T) {
	script := bytes.Repeat([]byte("export const ringing = 1;\n"), 1_000)
	sound := bytes.Repeat([]byte("OggS"), 1_000)
	all, err := loadFiles(fstest.MapFS{
		"sdk/peal.js":   {Data: script},
		"sdk/tiny.js":   {Data: []byte("1")},
		"demo/ring.ogg": {Data: sound},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, headers map[string]string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		all.ServeHTTP(w, r)
		return w
	}
	for _, test := range []struct {
		path, accept, span string
		zipped             bool
		want               []byte
	}{
		{"/sdk/peal.js", "gzip, deflate, br, zstd", "", true, script},
		{"/sdk/peal.js", "br, GZIP;q=0.5", "", true, script},
		{"/sdk/peal.js", "gzip;q=0", "", false, script},
		{"/sdk/peal.js", "gzip;q=none", "", false, script},
		{"/sdk/peal.js", "identity", "", false, script},
		{"/sdk/peal.js", "", "", false, script},
		{"/sdk/peal.js", "gzip", "bytes=0-5", false, script[:6]},
		{"/sdk/tiny.js", "gzip", "", false, []byte("1")},
		{"/ring.ogg", "gzip", "", false, sound},
	} {
		w := get(test.path, map[string]string{"Accept-Encoding": test.accept, "Range": test.span})
		sent := w.Body.Len()
		body := io.Reader(w.Body)
		if zipped := w.Header().Get("Content-Encoding") == "gzip"; zipped != test.zipped {
			t.Errorf("%s for %q: gzip %t, want %t", test.path, test.accept, zipped, test.zipped)
		} else if zipped {
			if body, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, test.want) || (test.zipped && sent > len(script)/10) {
			t.Errorf("%s for %q: %d bytes of %d sent, %v", test.path, test.accept, len(got), sent, err)
		}
	}

	plain, zipped := get("/sdk/peal.js", nil).Header(), get("/sdk/peal.js", map[string]string{"Accept-Encoding": "gzip"}).Header()
	if plain.Get("Etag") == zipped.Get("Etag") || plain.Get("Vary") != "Accept-Encoding" || zipped.Get("Vary") != "Accept-Encoding" {
		t.Errorf("caches cannot tell the two apart: %v, %v", plain, zipped)
	}
	again := get("/sdk/peal.js", map[string]string{"Accept-Encoding": "gzip", "If-None-Match": zipped.Get("Etag")})
	if again.Code != http.StatusNotModified {
		t.Errorf("got %d for a copy that is still good", again.Code)
	}
}
