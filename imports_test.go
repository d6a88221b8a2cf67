// Package peal_test holds the rules that concern the whole module: which
// package may import which, and what the pure ones may not do.
package peal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/peal-rtc/peal"

// imports says what a package may import beside the standard library.
type imports struct {
	// ours are packages of this module, by their path in it.
	ours []string
	// theirs are modules of others, each with all of its packages.
	theirs []string
}

// allowed has a row for every package. Imports point one way: from what puts
// things together, at the top, down to what knows of nothing else. To add
// an import here is to decide that the lower package may be known up there.
var allowed = map[string]imports{
	"cmd/peal": {
		ours:   []string{"client", "client/admin", "client/media", "internal/auth", "internal/config", "internal/control", "internal/doctor", "internal/load", "internal/protocol", "internal/server", "internal/testing/natsserver", "internal/testing/postgres", "internal/webhook"},
		theirs: []string{"github.com/alecthomas/kong"},
	},
	"client": {
		ours:   []string{"client/internal/program", "internal/device", "internal/protocol", "internal/socket"},
		theirs: []string{"google.golang.org/protobuf"},
	},
	// Backends import them for tokens, and for the server API.
	"client/token": {},
	"client/admin": {},
	// It runs the server of the tests, which it must not import: users of the SDK
	// get no module of the server.
	"client/internal/program": {theirs: []string{"go.uber.org/goleak"}},
	"internal/load": {
		ours:   []string{"internal/device", "internal/protocol", "internal/socket"},
		theirs: []string{"google.golang.org/protobuf"},
	},
	"internal/socket": {
		ours:   []string{"internal/protocol"},
		theirs: []string{"github.com/coder/websocket"},
	},
	"client/media/internal/plan": {
		ours:   []string{"internal/device"},
		theirs: []string{"github.com/google/go-cmp"},
	},
	"client/media": {
		ours: []string{"client", "client/internal/program", "client/media/internal/plan"},
		theirs: []string{
			"github.com/pion/interceptor", "github.com/pion/rtcp", "github.com/pion/rtp", "github.com/pion/webrtc",
		},
	},
	"internal/server": {
		ours: []string{
			"internal/api", "internal/auth", "internal/bus", "internal/bus/natsbus", "internal/call", "internal/config", "internal/control", "internal/delivery",
			"internal/doorstep", "internal/metrics", "internal/node",
			"internal/protocol", "internal/reach", "internal/relay", "internal/session", "internal/store", "internal/store/pgstore", "internal/store/sqlstore",
			"internal/testing/natsserver", "internal/testing/postgres", // Of its tests alone.
			"internal/webhook", "internal/ws", "web",
		},
		theirs: []string{"golang.org/x/crypto", "golang.org/x/sync", "golang.org/x/time"},
	},

	// It counts for the server what that tells a node, and what the node asks for.
	"internal/metrics": {
		ours:   []string{"internal/call", "internal/delivery", "internal/node", "internal/protocol", "internal/relay", "internal/store", "internal/ws"},
		theirs: []string{"github.com/prometheus/client_golang"},
	},
	"internal/doctor": {
		ours:   []string{"internal/protocol", "internal/reach", "internal/relay"},
		theirs: []string{"github.com/coder/websocket", "github.com/pion/logging", "github.com/pion/stun", "github.com/pion/turn"},
	},
	// Commands ask by it the server that runs on their data folder.
	"internal/control": {},
	// It tries to deliver what its schedule says.
	"internal/webhook":  {ours: []string{"internal/delivery", "internal/reach", "internal/store"}},
	"internal/delivery": {ours: []string{"internal/store"}},
	"internal/doorstep": {},
	"internal/reach":    {},
	// For tests alone.
	"internal/reach/reachtest": {},
	"internal/ws": {
		ours:   []string{"internal/doorstep", "internal/protocol"},
		theirs: []string{"github.com/coder/websocket", "github.com/gobwas/ws", "golang.org/x/sys", "golang.org/x/time"},
	},
	"internal/api": {
		ours:   []string{"internal/auth", "internal/call", "internal/delivery", "internal/protocol", "internal/store", "internal/webhook"},
		theirs: []string{"golang.org/x/time"},
	},
	"internal/relay": {
		ours:   []string{"internal/doorstep", "internal/reach"},
		theirs: []string{"github.com/pion/logging", "github.com/pion/stun", "github.com/pion/turn", "golang.org/x/sys"},
	},
	"internal/store/sqlstore": {
		ours:   []string{"internal/call", "internal/store", "internal/store/stored"},
		theirs: []string{"github.com/pressly/goose", "golang.org/x/sys", "google.golang.org/protobuf", "modernc.org/sqlite"},
	},
	"internal/store/pgstore": {
		ours:   []string{"internal/call", "internal/store", "internal/store/stored"},
		theirs: []string{"github.com/jackc/pgx", "github.com/pressly/goose"},
	},
	"internal/store/stored": {
		ours:   []string{"internal/call", "internal/store/stored/storedpb"},
		theirs: []string{"google.golang.org/protobuf"},
	},
	"internal/store/stored/storedpb": {theirs: []string{"google.golang.org/protobuf"}},
	"internal/config":                {ours: []string{"internal/auth"}},

	"internal/node": {
		ours: []string{
			"internal/auth", "internal/bus", "internal/call", "internal/call/transcript", "internal/callqueue", "internal/protocol",
			"internal/session", "internal/store",
		},
		theirs: []string{"github.com/google/go-cmp", "golang.org/x/time", "google.golang.org/protobuf"},
	},
	"internal/callqueue": {ours: []string{"internal/call", "internal/protocol", "internal/store"}},
	"internal/session": {
		ours:   []string{"internal/auth", "internal/protocol"},
		theirs: []string{"golang.org/x/time"},
	},
	"internal/device": {
		ours: []string{"internal/protocol"}, theirs: []string{"github.com/google/go-cmp", "google.golang.org/protobuf"},
	},
	"internal/store": {ours: []string{"internal/call"}},
	"internal/bus":   {ours: []string{"internal/call", "internal/protocol"}},
	"internal/bus/natsbus": {
		ours:   []string{"internal/bus", "internal/bus/natsbus/buspb", "internal/call", "internal/protocol", "internal/store/stored"},
		theirs: []string{"github.com/nats-io/nats.go", "google.golang.org/protobuf"},
	},
	"internal/bus/natsbus/buspb": {theirs: []string{"google.golang.org/protobuf"}},
	"internal/auth":              {theirs: []string{"github.com/golang-jwt/jwt"}},

	"internal/call":            {ours: []string{"internal/call/transcript"}}, // For its tests alone.
	"internal/protocol":        {theirs: []string{"google.golang.org/protobuf"}},
	"internal/protocol/pealv1": {theirs: []string{"google.golang.org/protobuf"}},
	"web":                      {},

	// For tests alone.
	"internal/call/transcript": {ours: []string{"internal/call"}},
	"internal/testing/explore": {ours: []string{"internal/call", "internal/callqueue", "internal/protocol", "internal/store", "internal/testing/plant"}},
	"internal/testing/plant":   {},
	// It starts a real PostgreSQL.
	"internal/testing/ports":    {},
	"internal/testing/postgres": {ours: []string{"internal/testing/ports"}, theirs: []string{"github.com/jackc/pgx"}},
	"internal/testing/balancer": {},
	// Built into the command by one of its tests.
	"internal/testing/stepped": {},
	"internal/testing/soak":    {},
	"internal/store/storetest": {
		ours:   []string{"internal/call", "internal/store"},
		theirs: []string{"github.com/google/go-cmp"},
	},
	"internal/bus/bustest": {
		ours:   []string{"internal/bus", "internal/call", "internal/protocol"},
		theirs: []string{"github.com/google/go-cmp"},
	},
	"internal/testing/sim": {
		ours: []string{
			"internal/auth", "internal/bus", "internal/call", "internal/delivery", "internal/device", "internal/node", "internal/testing/plant",
			"internal/protocol",
			"internal/session", "internal/store",
		},
		theirs: []string{"github.com/google/go-cmp", "golang.org/x/time", "google.golang.org/protobuf"},
	},
	"internal/testing/chaos": {
		ours:   []string{"client", "internal/auth", "internal/protocol"},
		theirs: []string{"github.com/coder/websocket", "github.com/google/go-cmp", "google.golang.org/protobuf", "modernc.org/sqlite"},
	},
	"internal/testing/chaos/victim": {
		ours:   []string{"internal/call", "internal/config", "internal/server", "internal/store", "internal/store/pgstore"},
		theirs: []string{"github.com/alecthomas/kong"},
	},
	"internal/testing/natsserver": {},
	"internal/testing/nets":       {theirs: []string{"golang.org/x/sys"}},
	// It starts servers as anybody would; what it needs of ours is for the load.
	"bench": {
		ours:   []string{"internal/auth", "internal/load", "internal/testing/balancer"},
		theirs: []string{"github.com/coder/websocket", "github.com/gobwas/ws", "github.com/pion/stun", "github.com/pion/turn", "golang.org/x/sys", "modernc.org/sqlite"},
	},
	// It knows the server as everybody does: by HTTP and a browser.
	// Its caller of another kind is the Go SDK.
	"e2e": {ours: []string{"client"}, theirs: []string{"github.com/chromedp", "github.com/coder/websocket"}},
}

// generated packages belong to the package above them: a package that may import that one may
// import them too.
var generated = map[string]string{
	"internal/protocol/pealv1": "internal/protocol",
}

// meaningless names say nothing of what a package owns.
var meaningless = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "shared"}

// pure packages do no input or output, and get time and chance handed in.
var pure = []string{"client/media/internal/plan", "internal/call", "internal/callqueue", "internal/delivery", "internal/device", "internal/node", "internal/protocol", "internal/session"}

// logging are the pure packages that write to a logger handed in.
var logging = []string{"internal/callqueue", "internal/node"}

// impure are the parts of the standard library that pure packages stay away
// from, each with the packages below it.
var impure = []string{"crypto/rand", "io/fs", "log", "math/rand", "net", "os", "sync", "syscall"}

// TestImports parses the sources itself: a test that asks the go command
// instead stays green from the test cache when an import is added.
func TestImports(t *testing.T) {
	for folder, sources := range parse(t, parser.ImportsOnly) {
		row, ok := allowed[folder]
		if !ok {
			t.Errorf("package %s has no row: decide what it may import and add it to the table allowed in imports_test.go", folder)
			continue
		}
		if slices.Contains(meaningless, path.Base(folder)) {
			t.Errorf("package %s: the name says nothing of what it owns", folder)
		}
		for file, source := range sources {
			for _, imported := range importsOf(t, source) {
				if !row.allow(folder, imported) {
					t.Errorf("%s imports %s, which the row of %s in imports_test.go does not allow", file, imported, folder)
				}
			}
		}
	}
}

// TestModuleGraph: who uses the SDK gets no module of the server, neither built
// nor as a requirement that chooses versions.
func TestModuleGraph(t *testing.T) {
	sdk, server := modules(t, "client"), modules(t, ".")
	for _, one := range []string{"github.com/alecthomas/kong", "github.com/chromedp/chromedp", "modernc.org/sqlite"} {
		if !slices.Contains(server, one) {
			t.Errorf("the server does not require %s: choose another for this test", one)
		}
	}
	for _, one := range sdk {
		if slices.Contains(server, one) && !slices.Contains(sdkModules, one) && !strings.HasPrefix(one, module+"/") {
			t.Errorf("the module graph of client holds %s, which the server requires", one)
		}
	}
}

// TestParsersStayAway: the parsers of Prometheus, by which tools/promcheck checks rules and
// dashboards, come with some hundred modules. The server gets none of them.
func TestParsersStayAway(t *testing.T) {
	for _, folder := range []string{".", "client", "tools"} {
		out, err := exec.Command("go", "-C", folder, "list", "-m", "all").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "github.com/prometheus/prometheus ") || strings.HasPrefix(line, "k8s.io/") {
				t.Errorf("the module graph of %s holds %s", folder, line)
			}
		}
	}
}

// sdkModules are what both the SDK and the server require.
var sdkModules = []string{
	"github.com/coder/websocket", "github.com/google/go-cmp", "github.com/pion/logging", "github.com/pion/stun/v4",
	"github.com/pion/turn/v5", "go.uber.org/goleak", "golang.org/x/crypto", "golang.org/x/sys", "golang.org/x/time", "google.golang.org/protobuf",
}

// modules lists the module graph of a folder's module; that of the server
// without what only its requirements require.
func modules(t *testing.T, folder string) []string {
	t.Helper()
	format := "{{.Path}}"
	if folder == "." {
		format = "{{if not .Indirect}}{{.Path}}{{end}}"
	}
	out, err := exec.Command("go", "-C", folder, "list", "-m", "-f", format, "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// TestPurePackages holds the rule that lets these packages be replayed: the same
// inputs give the same outputs.
func TestPurePackages(t *testing.T) {
	packages := parse(t, parser.SkipObjectResolution)
	for _, folder := range pure {
		if len(packages[folder]) == 0 {
			t.Errorf("no sources in %s", folder)
		}
		for file, source := range packages[folder] {
			for _, spec := range source.Imports {
				if spec.Name != nil {
					t.Errorf("%s renames %s, by whose name what is impure in it is found: %s is pure", file, spec.Path.Value, folder)
				}
			}
			for _, imported := range importsOf(t, source) {
				// What log/slog is used for is looked at below. Addresses are values.
				if imported != "log/slog" && imported != "net/netip" && slices.ContainsFunc(impure, within(imported)) {
					t.Errorf("%s imports %s: %s is pure", file, imported, folder)
				}
			}
			for found := range ast.Preorder(source) {
				if what := impurity(found, slices.Contains(logging, folder)); what != "" {
					t.Errorf("%s has %s: %s is pure", file, what, folder)
				}
			}
		}
	}
}

// methodsMost is how many methods a type may have. One with more does the work of two.
const methodsMost = 40

// crowded are the types that have more, and how many: none of them may grow.
var crowded = map[string]int{"internal/call.step": 43, "internal/device.Device": 87, "internal/testing/sim.person": 49}

func TestMethods(t *testing.T) {
	for folder, sources := range parse(t, parser.SkipObjectResolution) {
		methods := make(map[string]int)
		for _, source := range sources {
			for _, d := range source.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
					methods[receiver(f.Recv.List[0].Type)]++
				}
			}
		}
		for name, n := range methods {
			if most := max(methodsMost, crowded[folder+"."+name]); n > most {
				t.Errorf("%s.%s has %d methods, more than %d: find the type that is missing", folder, name, n, most)
			}
		}
	}
}

// receiver names the type that a method belongs to.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// impurity names what makes a piece of source impure, if it is, in a package that
// may have a logger handed in.
func impurity(node ast.Node, logger bool) string {
	switch node := node.(type) {
	case *ast.GoStmt:
		return "a goroutine"
	case *ast.SelectorExpr:
		// Of a rate.Limiter: they ask the clock.
		if slices.Contains([]string{"Allow", "Reserve", "Tokens", "WaitN"}, node.Sel.Name) {
			return node.Sel.Name
		}
		from, ok := node.X.(*ast.Ident)
		if !ok {
			return ""
		}
		name := from.Name + "." + node.Sel.Name
		clock := []string{
			"context.WithDeadline", "context.WithTimeout", "time.After", "time.AfterFunc", "time.NewTicker", "time.NewTimer",
			"time.Now", "time.Since", "time.Sleep", "time.Tick", "time.Until", "timestamppb.Now",
		}
		// Redacting a value for the logs of others is no logging, and a logger that
		// is handed in, or writes nothing, is the caller's to choose.
		logs := from.Name == "slog" && !strings.HasSuffix(name, "Value") &&
			!(logger && slices.Contains([]string{"slog.DiscardHandler", "slog.Logger", "slog.New"}, name))
		if logs || slices.Contains(clock, name) {
			return name
		}
	}
	return ""
}

// allow tells whether a package with this row, in folder, may import a path.
func (row imports) allow(folder, imported string) bool {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	own, ok := strings.CutPrefix(imported, module+"/")
	if !ok {
		return slices.ContainsFunc(row.theirs, within(imported))
	}
	if owner, ok := generated[own]; ok {
		own = owner
	}
	return own == folder || slices.Contains(row.ours, own)
}

// within gives a test for the parents of an import path, itself included.
func within(imported string) func(parent string) bool {
	return func(parent string) bool {
		return imported == parent || strings.HasPrefix(imported, parent+"/")
	}
}

func importsOf(t *testing.T, source *ast.File) []string {
	t.Helper()
	var paths []string
	for _, spec := range source.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatalf("unquote import %s: %v", spec.Path.Value, err)
		}
		paths = append(paths, imported)
	}
	return paths
}

// parse reads all Go sources of the module but tests: the files by their path,
// under the folder of their package.
func parse(t *testing.T, mode parser.Mode) map[string]map[string]*ast.File {
	t.Helper()
	packages := map[string]map[string]*ast.File{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		if entry.IsDir() {
			if foreign(file) {
				return filepath.SkipDir
			}
			return nil
		}
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, mode)
		if err != nil {
			return err
		}
		folder := path.Dir(file)
		if packages[folder] == nil {
			packages[folder] = map[string]*ast.File{}
		}
		packages[folder][file] = source
		return nil
	})
	if err != nil {
		t.Fatalf("parse sources: %v", err)
	}
	// Guards against a walk that finds nothing and so forbids nothing.
	if _, ok := packages["internal/call"]; !ok {
		t.Fatalf("internal/call not found among %v", slices.Sorted(maps.Keys(packages)))
	}
	return packages
}

// foreign tells of folders that are not part of the module.
func foreign(folder string) bool {
	name := path.Base(folder)
	hidden := len(name) > 1 && strings.HasPrefix(name, ".")
	return hidden || folder == "tools" || name == "node_modules" || name == "testdata"
}
