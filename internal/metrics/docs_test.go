package metrics

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// read reads a file of the repository.
func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTables holds the tables of the documentation to the metrics.
func TestTables(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `(peal_\\w+)` \\| (.*) \\|$")
	for file, full := range map[string]bool{"operations.md": true, "operations.zh-CN.md": false} {
		var got, want []string
		for _, found := range row.FindAllStringSubmatch(read(t, "docs", "run", file), -1) {
			cells := strings.Split(found[2], " | ")
			if len(cells) != 3 || cells[2] == "" {
				t.Fatalf("%s: %s", file, found[0])
			}
			if !full {
				cells[2] = ""
			}
			got = append(got, found[1]+" | "+strings.Join(cells, " | "))
		}
		for _, one := range Table() {
			var labels []string
			for _, l := range one.Labels {
				labels = append(labels, "`"+l+"`")
			}
			help := strings.TrimSuffix(one.Help, ".")
			if !full {
				help = ""
			}
			want = append(want, one.Name+" | "+strings.Join([]string{string(one.Kind), strings.Join(labels, ", "), help}, " | "))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

// TestDeploy: the dashboard and the alerts name metrics that exist. tools/promcheck parses
// their expressions.
func TestDeploy(t *testing.T) {
	series := regexp.MustCompile(`\bpeal_\w+`)
	var names []string
	for _, one := range Table() {
		names = append(names, one.Name)
		if one.Kind == Histogram {
			names = append(names, one.Name+"_bucket", one.Name+"_sum", one.Name+"_count")
		}
	}
	for _, file := range []string{"grafana/peal.json", "prometheus/alerts.yml"} {
		found := series.FindAllString(read(t, "deploy", file), -1)
		if len(found) < 5 {
			t.Errorf("%s names %d metrics", file, len(found))
		}
		for _, name := range found {
			if !slices.Contains(names, name) {
				t.Errorf("%s: no metric %s", file, name)
			}
		}
	}
}
