package main

import (
	"bytes"
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
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	var object json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("the settings are not a JSON object: %w", err)
	}
	if object[0] != '{' {
		return nil, errors.New(`the settings are not a JSON object: write one, such as {"addr": ":443"}`)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the settings hold more than one JSON object")
	}
	file := fileReader{fileSettings{}, map[string]string{}}
	if err := file.add("", "", object); err != nil {
		return nil, err
	}
	return file.settings, nil
}

// fileReader gathers the settings of a file.
type fileReader struct {
	settings fileSettings
	spelt    map[string]string // How the file spells each setting.
}

// add takes in an object whose names come after a prefix; path is how the file spells that.
func (f *fileReader) add(prefix, path string, object json.RawMessage) error {
	return eachMember(object, func(key string, value json.RawMessage) error {
		name, spelt := prefix+strings.ReplaceAll(key, "_", "-"), path+key
		if value[0] == '{' && name != "keys" {
			return f.add(name+"-", spelt+".", value)
		}
		if before, twice := f.spelt[name]; twice {
			return fmt.Errorf("the file gives %s twice, as %q and %q: leave one out", name, before, spelt)
		}
		f.spelt[name] = spelt
		if value[0] == '{' {
			if err := checkIDs(name, value); err != nil {
				return err
			}
		}
		var content any
		if err := json.Unmarshal(value, &content); err != nil {
			return fmt.Errorf("read %s: %w", spelt, err)
		}
		f.settings[name] = content
		return nil
	})
}

// checkIDs refuses an object that has one id twice: encoding/json takes the last one.
func checkIDs(name string, object json.RawMessage) error {
	known := map[string]bool{}
	return eachMember(object, func(id string, _ json.RawMessage) error {
		if known[id] {
			return fmt.Errorf("the file gives %s.%s twice: leave one out", name, id)
		}
		known[id] = true
		return nil
	})
}

// eachMember calls do for each member of an object, in their order.
func eachMember(object json.RawMessage, do func(key string, value json.RawMessage) error) error {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		key, _ := token.(string) // JSON has no other keys.
		if err := do(key, value); err != nil {
			return err
		}
	}
	return nil
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
		if os.Getenv(name) != "" {
			return nil, nil
		}
	}
	value, ok := s[flag.Name]
	if !ok {
		return nil, nil
	}
	return value, nil
}
