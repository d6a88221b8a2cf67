package api

import (
	"net/http"
	"net/url"
	"strings"
)

// aSlash stands for the name / in a path: http.ServeMux takes a segment %2F for the end of the
// path. No account has a zero byte in its name.
const aSlash = "/\x00"

// slashed makes the mux treat a segment %2F as any other.
func slashed(q *http.Request) *http.Request {
	segments := strings.Split(q.URL.EscapedPath(), "/")
	changed := false
	for i, segment := range segments {
		if strings.EqualFold(segment, "%2F") {
			segments[i], changed = url.PathEscape(aSlash), true
		}
	}
	if !changed {
		return q
	}
	raw := strings.Join(segments, "/")
	path, err := url.PathUnescape(raw)
	if err != nil {
		return q // This does not happen: the URL was parsed before.
	}
	seen, u := q.WithContext(q.Context()), *q.URL
	u.Path, u.RawPath = path, raw
	seen.URL = &u
	return seen
}

// named is the name that a segment of the path stands for.
func named(q *http.Request, segment string) string {
	name := q.PathValue(segment)
	if name == aSlash {
		return "/"
	}
	return name
}
