package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// fileSettings answers for the flags of serve from a file in JSON. Its keys
// are the names of the flags, with _ or - between words, and groups may be
// nested: {"tls": {"cert": "…"}} is --tls-cert. What the environment or the
// command line says comes before it.
type fileSettings map[string]any

// settingsFile implements kong.ConfigurationLoader.
func settingsFile(r io.Reader) (kong.Resolver, error) {
	var content map[string]any
	decoder := json.NewDecoder(r)
	if err := decoder.Decode(&content); err != nil {
		return nil, fmt.Errorf("the settings are not a JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the settings hold more than one JSON object")
	}
	settings := fileSettings{}
	settings.add("", content)
	return settings, nil
}

// add takes in an object whose keys come after a prefix.
func (s fileSettings) add(prefix string, content map[string]any) {
	for key, value := range content {
		name := prefix + strings.ReplaceAll(key, "_", "-")
		nested, isObject := value.(map[string]any)
		if isObject && name != "keys" {
			s.add(name+"-", nested)
			continue
		}
		s[name] = value
	}
}

// Validate implements kong.Resolver: a misspelt setting must not pass as one
// that was left out.
func (s fileSettings) Validate(app *kong.Application) error {
	var known []string
	for _, command := range app.Leaves(true) {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			known = append(known, flag.Name)
		}
	}
	var unknown []string
	for name := range s {
		if !slices.Contains(known, name) || name == "config" {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("the file has settings that do not exist: %s", strings.Join(unknown, ", "))
	}
	return nil
}

// Resolve implements kong.Resolver.
func (s fileSettings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	value, ok := s[flag.Name]
	if !ok {
		return nil, nil
	}
	return value, nil
}
