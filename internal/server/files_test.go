package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
)

func TestFiles(t *testing.T) {
	all, err := loadFiles(fstest.MapFS{
		"sdk/peal.js":     {Data: []byte("export {}")},
		"sdk/peal.d.ts":   {Data: []byte("export {}")},
		"demo/index.html": {Data: []byte("<!doctype html>")},
		"demo/a/ring.ogg": {Data: []byte("OggS")},

		"doctor/index.html": {Data: []byte("<!doctype html>")},
		"doctor/main.js":    {Data: []byte("export {}")},
	})
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
