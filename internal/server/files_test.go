package server

import (
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
