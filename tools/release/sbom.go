package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// module is the module of the server; those below it are released with it.
const module = "github.com/peal-rtc/peal"

// The parts of CycloneDX 1.6 that we write: https://cyclonedx.org/docs/1.6/json.
type (
	bill struct {
		Format       string      `json:"bomFormat"`
		SpecVersion  string      `json:"specVersion"`
		SerialNumber string      `json:"serialNumber"`
		Version      int         `json:"version"`
		Metadata     metadata    `json:"metadata"`
		Components   []component `json:"components"`
	}
	metadata struct {
		Timestamp time.Time  `json:"timestamp"`
		Component component  `json:"component"`
		Settings  []property `json:"properties"`
	}
	component struct {
		Type    string `json:"type"`
		Ref     string `json:"bom-ref"`
		Name    string `json:"name"`
		Version string `json:"version"`
		URL     string `json:"purl"`
		Hashes  []hash `json:"hashes,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// sbom lists what is in a binary: Go, the modules, and their sums, as the linker wrote them
// into it. The pages in it are made of our own sources alone, so no npm package is listed:
// webbuild refuses others.
func (b *builder) sbom(t target, binary []byte) ([]byte, error) {
	info, err := buildinfo.ReadFile(b.binary(t))
	if err != nil {
		return nil, fmt.Errorf("read the modules: %w", err)
	}
	return billOf(info, binary, b.date, slices.Collect(maps.Keys(b.licenses[t])))
}

// billOf holds that a license was found for each module.
func billOf(info *debug.BuildInfo, binary []byte, date time.Time, licenses []string) ([]byte, error) {
	sum := sha256.Sum256(binary)
	program := library(info.Main.Path, info.Main.Version)
	program.Type = "application"
	program.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum[:])}}
	list := bill{
		Format: "CycloneDX", SpecVersion: "1.6", SerialNumber: "urn:uuid:" + uuid(sum), Version: 1,
		Metadata: metadata{Timestamp: date, Component: program},
		// By this name scanners know what is wrong with the standard library.
		Components: []component{library("stdlib", strings.TrimPrefix(strings.Fields(info.GoVersion)[0], "go"))},
	}
	for _, s := range info.Settings {
		if slices.Contains([]string{"GOOS", "GOARCH", "CGO_ENABLED", "vcs.revision"}, s.Key) {
			list.Metadata.Settings = append(list.Metadata.Settings, property{"go:" + s.Key, s.Value})
		}
	}
	for _, m := range info.Deps {
		if strings.HasPrefix(m.Path, module+"/") {
			list.Components = append(list.Components, library(m.Path, info.Main.Version))
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		if !slices.ContainsFunc(licenses, func(of string) bool { return strings.HasPrefix(of, m.Path+" "+m.Version+", ") }) {
			return nil, fmt.Errorf("the binary holds %s %s, of which no license was found", m.Path, m.Version)
		}
		c := library(m.Path, m.Version)
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil || len(raw) != sha256.Size {
			return nil, fmt.Errorf("read the sum of %s: got %q", m.Path, m.Sum)
		}
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
		list.Components = append(list.Components, c)
	}
	text, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write the list: %w", err)
	}
	return append(text, '\n'), nil
}

// library is a module at a version.
func library(path, version string) component {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Type: "library", Ref: url, Name: path, Version: version, URL: url}
}

// uuid names a binary by its sum: the same binary has the same name. It is of version 8.
func uuid(sum [sha256.Size]byte) string {
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
