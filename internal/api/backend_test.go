package api

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The document describes the routes that are served, and the codes that are answered.
func TestDocument(t *testing.T) {
	var doc struct {
		Paths      map[string]map[string]any
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Enum []any }
			}
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	described := []string{}
	for path, methods := range doc.Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	served := []string{"GET /api/v1/openapi.json"}
	for _, r := range routes {
		served = append(served, r.pattern)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described are %v, served %v", described, served)
	}
	codes := []string{}
	for code := range maps.Keys(statuses) {
		codes = append(codes, string(code))
		if titles[code] == "" {
			t.Errorf("%s has no title", code)
		}
	}
	slices.Sort(codes)
	listed := []string{}
	for _, code := range doc.Components.Schemas["Problem"].Properties["code"].Enum {
		listed = append(listed, code.(string))
	}
	slices.Sort(listed)
	if !slices.Equal(codes, listed) {
		t.Errorf("codes are %v, described %v", codes, listed)
	}
}
