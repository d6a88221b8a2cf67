package media_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// guided is what the guide's words take for given.
const guided = `package guide

import (
	"context"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/admin"
	"github.com/peal-rtc/peal/client/media"
)

func _(ctx context.Context, c *client.Client, api *admin.Client, phone *media.Phone, session *media.Session, streams media.Streams, packet []byte, t time.Duration) {
%s}
`

// What docs/build/go-sdk.md says in code is of this module: its programs, and what
// stands in its sentences. TestGoGuide of e2e runs the program.
func TestGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/build/go-sdk.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```go[^\n]*\n(.*?)^```$")
	var sources []string
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		sources = append(sources, m[1])
	}
	var said strings.Builder
	words := block.ReplaceAllString(string(text), "")
	for _, m := range regexp.MustCompile("`((?:c|api|phone|session|client|media|admin)\\.[A-Z][^`]*)`").FindAllStringSubmatch(words, -1) {
		statement := m[1]
		if !strings.HasSuffix(statement, ")") {
			statement = "_ = " + statement
		}
		fmt.Fprintf(&said, "\t%s\n", statement)
	}
	if len(sources) == 0 || said.Len() == 0 {
		t.Fatalf("found %d programs, and in sentences %q", len(sources), said.String())
	}
	for _, source := range append(sources, fmt.Sprintf(guided, said.String())) {
		file := filepath.Join(t.TempDir(), "guide.go")
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, source)
		}
	}
}
