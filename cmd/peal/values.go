package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// How flags, environment variables and settings of the file are read, where kong alone
// would read them otherwise.
func valueReaders() []kong.Option {
	return []kong.Option{
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(readDuration)),
		kong.TypeMapper(reflect.TypeFor[[]string](), kong.MapperFunc(readList)),
		kong.TypeMapper(reflect.TypeFor[map[string]string](), kong.MapperFunc(readKeys)),
	}
}

var bareNumber = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// readDuration refuses a number without a unit, except 0. kong takes a number of the file
// as nanoseconds.
func readDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	given, err := ctx.Scan.PopValue("duration")
	if err != nil {
		return err
	}
	switch value := given.Value.(type) {
	case string:
		d, err := time.ParseDuration(value)
		switch {
		case err != nil && bareNumber.MatchString(value):
			return fmt.Errorf("%q has no unit: give one, such as %q", value, value+"s")
		case err != nil:
			return fmt.Errorf("%.100q is not a duration: give a number and a unit, such as 90s, 10m or 24h", value)
		}
		target.SetInt(int64(d))
	case float64:
		if value != 0 {
			return fmt.Errorf("%v has no unit: write it as text with one, such as %q", value, fmt.Sprintf("%vs", value))
		}
		target.SetInt(0)
	default:
		return fmt.Errorf("%v is not a duration: write it as text, such as \"90s\"", value)
	}
	return nil
}

// split cuts a list at its commas. Blanks around an entry are not part of it, and an entry
// of nothing is none.
func split(text string) []string {
	var entries []string
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

// readList adds what is listed to what the flag gave before. The file may have a list of
// JSON in place of a text.
func readList(ctx *kong.DecodeContext, target reflect.Value) error {
	given, err := ctx.Scan.PopValue("list")
	if err != nil {
		return err
	}
	var entries []string
	switch value := given.Value.(type) {
	case string:
		entries = split(value)
	case []any:
		for _, one := range value {
			entry, isText := one.(string)
			if !isText {
				return fmt.Errorf("a list holds texts alone, and %v is not one: put it in quotes", one)
			}
			entries = append(entries, entry)
		}
	default:
		return errors.New(`give a list, such as ["one", "two"]`)
	}
	target.Set(reflect.AppendSlice(target, reflect.ValueOf(entries)))
	return nil
}

// twoKeys is a text in which keys are separated as in older versions.
var twoKeys = regexp.MustCompile(`;[^;=,]*=.`)

// readKeys reads ids and their secrets. Its errors show no secret.
func readKeys(ctx *kong.DecodeContext, target reflect.Value) error {
	given, err := ctx.Scan.PopValue("keys")
	if err != nil {
		return err
	}
	keys, _ := target.Interface().(map[string]string)
	if keys = maps.Clone(keys); keys == nil {
		keys = map[string]string{}
	}
	switch value := given.Value.(type) {
	case string:
		if twoKeys.MatchString(value) {
			return errors.New("ids and secrets are separated by commas, not by semicolons; a secret that has a semicolon belongs into the settings file")
		}
		for _, entry := range split(value) {
			id, secret, found := strings.Cut(entry, "=")
			if !found {
				return errors.New("give ID=SECRET, separated by commas; a secret that has a comma belongs into the settings file")
			}
			if _, twice := keys[id]; twice {
				return fmt.Errorf("the id %q is given twice: leave one out", id)
			}
			keys[id] = secret
		}
	case map[string]any:
		for id, one := range value {
			secret, isText := one.(string)
			if !isText {
				return fmt.Errorf("the secret of %q is not text: put it in quotes", id)
			}
			keys[id] = secret
		}
	default:
		return errors.New(`give an object of ids and secrets, such as {"old": "…"}`)
	}
	target.Set(reflect.ValueOf(keys))
	return nil
}

// dropEmptyVariables has flags ignore those of their environment variables that are empty.
func dropEmptyVariables(node *kong.Node) {
	for _, flag := range node.Flags {
		flag.Tag.Envs = slices.DeleteFunc(slices.Clone(flag.Tag.Envs), func(name string) bool {
			value, set := os.LookupEnv(name)
			return set && value == ""
		})
	}
	for _, child := range node.Children {
		dropEmptyVariables(child)
	}
}

// fromVariable is how kong says where a bad value comes from.
var fromVariable = regexp.MustCompile(`(?s) \(from envar (\w+)=".*"\)$`)

// withoutValue takes the value of an environment variable out of an error: it may be a secret.
func withoutValue(err error) error {
	if text := err.Error(); fromVariable.MatchString(text) {
		return errors.New(fromVariable.ReplaceAllString(text, " (from the environment variable $1)"))
	}
	return err
}
