package call_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
)

var update = flag.Bool("update", false, "rewrite the documentation's table and the golden transcripts")

// doc.go shows the table as it is.
func TestDocumentation(t *testing.T) {
	var b strings.Builder
	row := func(cells ...any) {
		line := fmt.Sprintf("//\t%-13s %-50s %-38s %-38s %s", cells...)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	row("input", "ringing", "connecting", "connected", "ended")
	for i, cells := range call.Rows() {
		row(inputs[i].name, cells[0], cells[1], cells[2], cells[3])
	}
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "//\tinput ", "package call"
	head, rest, _ := strings.Cut(string(source), begin)
	_, tail, _ := strings.Cut(rest, end)
	want := head + b.String() + end + tail
	if *update {
		if err := os.WriteFile("doc.go", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(source) {
		t.Error("the table in doc.go is not the one in table.go: go test ./internal/call -run TestDocumentation -update")
	}
}

// TestDiagram: the picture of the states in the documentation has the arrows of the table.
func TestDiagram(t *testing.T) {
	page, err := os.ReadFile("../../docs/understand/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, diagram, _ := strings.Cut(string(page), "stateDiagram-v2\n")
	diagram, _, _ = strings.Cut(diagram, "```")
	drawn := make(map[string]string)
	for line := range strings.Lines(diagram) {
		if arrow, label, labelled := strings.Cut(strings.TrimSpace(line), ": "); labelled && !strings.HasPrefix(arrow, "[*]") {
			drawn[arrow] = label
		}
	}
	states := []string{"ringing", "connecting", "connected", "ended"}
	ends := regexp.MustCompile(`\bends? (\w+)(?: or (\w+))?`)
	to := regexp.MustCompile(`\bto (connecting|connected)\b`)
	labels := make(map[string]map[string]bool)
	add := func(from int, state, label string) {
		arrow := states[from] + " --> " + state
		if labels[arrow] == nil {
			labels[arrow] = make(map[string]bool)
		}
		labels[arrow][label] = true
	}
	for i, cells := range call.Rows() {
		for from, cell := range cells {
			for _, m := range ends.FindAllStringSubmatch(cell, -1) {
				for _, reason := range m[1:] {
					if reason != "" && reason != "grace" {
						add(from, "ended", reason)
					}
				}
			}
			for _, m := range to.FindAllStringSubmatch(cell, -1) {
				add(from, m[1], inputs[i].name)
			}
		}
	}
	want := make(map[string]string)
	for arrow, all := range labels {
		want[arrow] = strings.Join(slices.Sorted(maps.Keys(all)), ", ")
	}
	if diff := cmp.Diff(want, drawn); diff != "" {
		t.Errorf("docs/understand/architecture.md draws other arrows than table.go has (-table +drawn):\n%s", diff)
	}
}
