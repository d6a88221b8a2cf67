package call_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

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
