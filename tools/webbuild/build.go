package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// The script form is a function that gets `publish`. Loaded by require it gives the
// exports; loaded by a script tag it puts them under the names that pages of the
// component it replaces look for, and under its own.
const (
	scriptHead = `(publish=>{"use strict";`
	scriptFoot = `})(e=>{if(typeof module=="object"&&module&&module.exports)Object.assign(module.exports,e);` +
		`else globalThis.Peal=globalThis.NERTCCalling=globalThis.NRTCCalling=e});`
)

// target is the language level that the sources are written in. Browsers below it
// lack Web Locks or other interfaces that the component needs in any case.
const target = api.ES2022

// component bundles the browser component: sdk/src/umd.ts for script tags and
// CommonJS, sdk/src/index.ts as an ES module.
func component(web string, out files) error {
	for entry, name := range map[string]string{"umd": "peal.umd.js", "index": "peal.js"} {
		options := bundle(web, "sdk/src/"+entry+".ts", "dist/sdk/"+name)
		options.Format = api.FormatESModule
		if entry == "umd" {
			options.Banner = map[string]string{"js": scriptHead}
			options.Footer = map[string]string{"js": scriptFoot}
		}
		if err := grouped(web, &options); err != nil {
			return err
		}
		if err := esbuild(web, options, out); err != nil {
			return err
		}
		var err error
		if out["sdk/"+name], err = terser(web, out["sdk/"+name]); err != nil {
			return fmt.Errorf("minify %s: %w", name, err)
		}
	}
	return nil
}

// folders of sdk/src have their modules side by side in the component, where esbuild alone
// would follow imports: gzip finds again what it saw within 32 KiB. Other modules come after
// them. Each folder imports those before it, so little is pulled forward.
var folders = []string{"api", "device", "media", "capture", "view"}

// grouped has a bundle begin with the modules of folders.
func grouped(web string, options *api.BuildOptions) error {
	var first strings.Builder
	for _, folder := range folders {
		modules, err := filepath.Glob(filepath.Join(web, "sdk", "src", folder, "*.ts"))
		if err != nil || len(modules) == 0 {
			return fmt.Errorf("list modules of sdk/src/%s: %w", folder, cmp.Or(err, fs.ErrNotExist))
		}
		for _, module := range modules {
			fmt.Fprintf(&first, "import %q;\n", module)
		}
	}
	entry := options.EntryPoints[0]
	fmt.Fprintf(&first, "export * from %q;\n", "./"+entry)
	if strings.HasSuffix(entry, "index.ts") {
		fmt.Fprintf(&first, "export { default } from %q;\n", "./"+entry)
	}
	options.EntryPoints = nil
	options.Stdin = &api.StdinOptions{Contents: first.String(), ResolveDir: web, Sourcefile: "entry.ts", Loader: api.LoaderTS}
	return nil
}

// terser minifies a bundle once more. It names variables alike in all functions, which gzip
// finds again, and folds calls that esbuild leaves; ADR 25 has what that gains. Names of
// properties stay, and nothing that its documentation calls unsafe is used.
func terser(web string, code []byte) ([]byte, error) {
	return program(web, bytes.NewReader(code), "terser", "--ecma", "2022", "--toplevel",
		"--compress", "passes=2,sequences=false,lhs_constants=false", "--mangle")
}

// frameworks are the entry points of the package for frameworks: each a file of its own,
// that takes the framework from the application.
var frameworks = []string{"react", "vue"}

// hooks bundles the entry points for frameworks, as ES modules and for require.
func hooks(web string, out files) error {
	var errs []error
	for _, name := range frameworks {
		for ending, format := range map[string]api.Format{".js": api.FormatESModule, ".cjs": api.FormatCommonJS} {
			entry := bundle(web, "sdk/src/"+name+".ts", "dist/sdk/"+name+ending)
			entry.Format = format
			entry.External = frameworks
			errs = append(errs, esbuild(web, entry, out))
		}
	}
	return errors.Join(errs...)
}

// pages builds the demo and the connection doctor.
func pages(web string, out files) error {
	return errors.Join(page(web, "demo", out), page(web, "doctor", out))
}

// page bundles src/main.ts of a folder and each style sheet, and takes every other
// file as it is. Names stay, so that index.html needs no rewriting.
func page(web, folder string, out files) error {
	script := bundle(web, folder+"/src/main.ts", "dist/"+folder+"/main.js")
	script.Format = api.FormatESModule
	if err := esbuild(web, script, out); err != nil {
		return err
	}
	root := filepath.Join(web, folder)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path == filepath.Join(root, "src") {
				return filepath.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(web, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if filepath.Ext(name) == ".css" {
			sheet := bundle(web, name, "dist/"+name)
			// Only minified: pictures it names stay files of their own.
			sheet.Bundle = false
			return esbuild(web, sheet, out)
		}
		out[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", folder, err)
	}
	return nil
}

// bundle is what all bundles have in common. There are no source maps: built
// files are committed and embedded, a map would weigh more than its bundle, and
// the sources are in the repository under the same tag.
func bundle(web, entry, outfile string) api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir:     web,
		EntryPoints:       []string{entry},
		Outfile:           outfile,
		Tsconfig:          "tsconfig.json",
		Bundle:            true,
		Platform:          api.PlatformBrowser,
		Target:            target,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsNone,
		Metafile:          true,
		// Chinese texts stay readable, and shorter than their escapes.
		Charset:  api.CharsetUTF8,
		LogLevel: api.LogLevelSilent,
	}
}

// instrument bundles a program for Node that only tests run. It stays readable, so
// that a stack trace in it can be read.
func instrument(web, entry, out string) error {
	if out == "" {
		return errors.New("-bundle: give the file to write with -o")
	}
	web, err := filepath.Abs(web)
	if err != nil {
		return fmt.Errorf("find web sources: %w", err)
	}
	if entry, err = filepath.Abs(entry); err != nil {
		return fmt.Errorf("find %s: %w", entry, err)
	}
	options := bundle(web, entry, "dist/bundle.cjs")
	options.Format, options.Platform = api.FormatCommonJS, api.PlatformNode
	options.MinifyWhitespace, options.MinifyIdentifiers, options.MinifySyntax = false, false, false
	built := files{}
	if err := esbuild(web, options, built); err != nil {
		return err
	}
	return replace(out, built["bundle.cjs"])
}

// esbuild runs one build and adds its files. A warning fails it as an error does:
// nobody reads the warnings of a build that passes.
func esbuild(web string, options api.BuildOptions, out files) error {
	result := api.Build(options)
	if messages := slices.Concat(result.Errors, result.Warnings); len(messages) > 0 {
		lines := api.FormatMessages(messages, api.FormatMessagesOptions{})
		return fmt.Errorf("bundle %s:\n%s", options.Outfile, strings.Join(lines, ""))
	}
	if other := packages.FindString(result.Metafile); other != "" {
		return fmt.Errorf("bundle %s: it holds %s: npm packages are for building alone, and no list of a release names them", options.Outfile, other)
	}
	for _, file := range result.OutputFiles {
		name, err := filepath.Rel(filepath.Join(web, "dist"), file.Path)
		if err != nil {
			return fmt.Errorf("bundle %s: %w", options.Outfile, err)
		}
		out[filepath.ToSlash(name)] = file.Contents
	}
	return nil
}

// packages finds the sources of a bundle that npm installed.
var packages = regexp.MustCompile(`node_modules/(@[^/"]+/)?[^/"]+`)

// foreign finds references to other modules, which the user's side would lack.
var foreign = regexp.MustCompile(`(?m)^(import\b|export\b.*\bfrom ["']).*$|\bimport\(["'].*$`)

// declarations rolls the types of everything that sdk/src/index.ts exports into
// one file that stands alone, and those of the entry points for frameworks into files
// that lean on it and on their framework.
func declarations(web string, out files) error {
	types, err := rollup(web, "sdk/src/index.ts")
	if err != nil {
		return err
	}
	if line := foreign.Find(types); line != nil {
		return fmt.Errorf("roll up declarations: public types depend on another module: %s", line)
	}
	out["sdk/peal.d.ts"] = types
	for _, name := range frameworks {
		if types, err = rollup(web, "sdk/src/"+name+".ts", "--external", "peal-rtc,"+name); err != nil {
			return err
		}
		out["sdk/"+name+".d.ts"] = types
	}
	return nil
}

// rollup gives the declarations of what an entry point exports, in one file.
func rollup(web, entry string, more ...string) ([]byte, error) {
	arguments := append([]string{"--silent", "--plugin", "dts", "--input", entry}, more...)
	types, err := program(web, nil, "rollup", arguments...)
	if err != nil {
		return nil, fmt.Errorf("roll up declarations of %s: %w", entry, err)
	}
	return types, nil
}

// program runs one of the installed npm packages and gives what it writes.
func program(web string, input io.Reader, name string, arguments ...string) ([]byte, error) {
	command := exec.Command(filepath.Join(web, "node_modules", ".bin", name), arguments...)
	command.Dir, command.Stdin = web, input
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w\n%s", name, err, stderr.Bytes())
	}
	return output, nil
}
