package peal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// phrase is an expression that prose does not use, and what to write in its place.
type phrase struct {
	not     *regexp.Regexp
	instead string
}

// phrases reads the list that this test shares with the test of comments in TypeScript, so that
// both languages are written in the same words.
func phrases(t *testing.T) []phrase {
	t.Helper()
	text, err := os.ReadFile("tools/prose/phrases.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []phrase
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		not, instead, ok := strings.Cut(line, "\t")
		if !ok {
			t.Fatalf("tools/prose/phrases.txt: %q has no tab", line)
		}
		list = append(list, phrase{regexp.MustCompile("(?i)" + not), instead})
	}
	if len(list) == 0 {
		t.Fatal("tools/prose/phrases.txt has no phrases")
	}
	return list
}

// TestCommentsUsePlainPhrases joins the lines of each comment first: a phrase that a line break
// splits is still a phrase.
func TestCommentsUsePlainPhrases(t *testing.T) {
	list := phrases(t)
	files := token.NewFileSet()
	comments := 0
	for _, file := range goFiles(t) {
		source, err := parser.ParseFile(files, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(source) {
			continue
		}
		for _, group := range source.Comments {
			comments++
			text := strings.Join(strings.Fields(group.Text()), " ")
			for _, p := range list {
				if found := p.not.FindString(text); found != "" {
					t.Errorf("%s: a comment says %q: write %s", files.Position(group.Pos()), found, p.instead)
				}
			}
		}
	}
	if comments < 1000 {
		t.Errorf("looked at %d comments only", comments)
	}
}

// TestTextsUsePlainPhrases looks at what people read of the programs: help, errors, logs and pages.
// In the sources these are string literals, and tags of fields, of several words.
func TestTextsUsePlainPhrases(t *testing.T) {
	list := phrases(t)
	files := token.NewFileSet()
	texts := 0
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") || strings.Contains(file, "/testing/") {
			continue
		}
		source, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(source) {
			continue
		}
		ast.Inspect(source, func(n ast.Node) bool {
			literal, is := n.(*ast.BasicLit)
			if !is || literal.Kind != token.STRING || strings.Count(literal.Value, " ") < 2 {
				return true
			}
			texts++
			text := strings.Join(strings.Fields(literal.Value), " ")
			for _, p := range list {
				if found := p.not.FindString(text); found != "" {
					t.Errorf("%s: a text says %q: write %s", files.Position(n.Pos()), found, p.instead)
				}
			}
			return true
		})
	}
	if texts < 500 {
		t.Errorf("looked at %d texts only", texts)
	}
}

// TestPackagesHaveComments holds the presence of a package comment. Reviews hold its content: what
// the package owns, who calls it, and its rule of concurrency.
func TestPackagesHaveComments(t *testing.T) {
	documented := make(map[string]bool) // By folder and name: a folder may hold a package of tests, too.
	files := token.NewFileSet()
	for _, file := range goFiles(t) {
		source, err := parser.ParseFile(files, file, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		name := source.Name.Name
		if strings.HasSuffix(file, "_test.go") {
			name = strings.TrimSuffix(name, "_test")
		}
		key := filepath.Dir(file)
		documented[key] = documented[key] || source.Doc != nil && len(source.Doc.Text()) > len("Package "+name)
	}
	for folder, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", folder)
		}
	}
}

// goFiles lists the Go files of all modules of the repository.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(file string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || file == "bin" || strings.HasPrefix(entry.Name(), ".") && file != ".") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(file, ".go") {
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
