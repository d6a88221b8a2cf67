package peal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// decisionHead is how a record of a decision begins: its number and title, its date and its status.
var decisionHead = regexp.MustCompile(`^# (\d+)\. (.+)\n\n(\d{4}-\d\d-\d\d)\. Status: ((?:accepted|superseded)(?:,? (?:amended )?by\s(?:\[ADR \d+\]\([\w.-]+\),?\s?)+)?)\.\n`)

// TestDecisions: each record of a decision has a number, a date and a status, and the list of them
// says the same. That the decisions which amend others exist, TestLinks holds.
func TestDecisions(t *testing.T) {
	files, err := filepath.Glob("docs/adr/0*.md")
	if err != nil || len(files) < 43 {
		t.Fatalf("%d records, %v", len(files), err)
	}
	list, err := os.ReadFile("docs/adr/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := decisionHead.FindStringSubmatch(string(text))
		if m == nil {
			t.Errorf("%s does not begin with `# N. title`, a blank line and `DATE. Status: accepted.`", file)
			continue
		}
		if want := fmt.Sprint(i + 1); m[1] != want || !strings.HasPrefix(filepath.Base(file), fmt.Sprintf("%04d-", i+1)) {
			t.Errorf("%s has the number %s, want %s", file, m[1], want)
		}
		status := strings.Join(strings.Fields(m[4]), " ")
		row := fmt.Sprintf("| %s | [%s](%s) | %s | %s |", m[1], m[2], filepath.Base(file), m[3], status)
		if !strings.Contains(string(list), "\n"+row+"\n") {
			t.Errorf("docs/adr/README.md lacks the row\n%s", row)
		}
	}
	if n := strings.Count(string(list), "\n| ") - 1; n != len(files) {
		t.Errorf("docs/adr/README.md lists %d decisions, and there are %d", n, len(files))
	}
}
