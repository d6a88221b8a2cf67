package promcheck_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

var promQL = parser.NewParser(parser.Options{})

// read reads a file of the repository.
func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// documented has the labels of each series that the documentation lists. A test of
// internal/metrics holds that to the code.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `(peal_\\w+)` \\| (\\w+) \\| (.*?) \\| ")
	series := map[string][]string{}
	for _, found := range row.FindAllStringSubmatch(string(read(t, "docs", "run", "operations.md")), -1) {
		labels := []string{"instance", "job"}
		for l := range strings.SplitSeq(found[3], ", ") {
			labels = append(labels, strings.Trim(l, "`"))
		}
		series[found[1]] = labels
		if found[2] == "histogram" {
			series[found[1]+"_bucket"], series[found[1]+"_sum"], series[found[1]+"_count"] = append(labels, "le"), labels, labels
		}
	}
	if len(series) < 30 {
		t.Fatalf("the documentation lists %d series", len(series))
	}
	// Prometheus' own, those of the Go runtime and of the process.
	for _, name := range []string{
		"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "go_goroutines", "go_memstats_heap_inuse_bytes",
	} {
		series[name] = []string{"instance", "job"}
	}
	return series
}

// problems says what is wrong with an expression.
func problems(expr string, series map[string][]string) (list []string) {
	parsed, err := promQL.ParseExpr(expr)
	if err != nil {
		return []string{err.Error()}
	}
	var used []string // Labels that some selected series has.
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		labels, ok := series[s.Name]
		if !ok {
			list = append(list, "no series "+s.Name)
		}
		used = append(used, labels...)
		for _, m := range s.LabelMatchers {
			if m.Name != model.MetricNameLabel && !slices.Contains(labels, m.Name) {
				list = append(list, s.Name+" has no label "+m.Name)
			}
		}
		return nil
	})
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		if a, ok := n.(*parser.AggregateExpr); ok {
			for _, l := range a.Grouping {
				if !slices.Contains(used, l) {
					list = append(list, "nothing has the label "+l)
				}
			}
		}
		return nil
	})
	return list
}

// TestProblems: the test itself finds what is wrong.
func TestProblems(t *testing.T) {
	series := documented(t)
	for expr, good := range map[string]bool{
		`peal_ready == 0`: true,
		`histogram_quantile(0.99, sum by (le, instance) (rate(peal_commit_seconds_bucket[5m])))`: true,
		`peal_ready ==`:                     false,
		`peal_steady == 0`:                  false,
		`peal_ready{account="alice"}`:       false,
		`sum by (account) (peal_ready)`:     false,
		`rate(peal_commit_seconds)`:         false,
		`sum(rate(peal_ready_bucket[5m]))`:  false,
		`sum by (le) (rate(peal_ready[5m]`:  false,
		`peal_calls_live{state="ringing"}`:  true,
		`peal_calls_total{state="ringing"}`: false,
	} {
		if found := problems(expr, series); (len(found) == 0) != good {
			t.Errorf("%s: %v", expr, found)
		}
	}
}

// TestRules does what promtool check rules does, and asks for texts that help.
func TestRules(t *testing.T) {
	series := documented(t)
	groups, errs := rulefmt.Parse(read(t, "deploy", "prometheus", "alerts.yml"), false, model.LegacyValidation, promQL, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			for _, found := range problems(rule.Expr, series) {
				t.Errorf("%s: %s", rule.Alert, found)
			}
			if seen[rule.Alert] {
				t.Errorf("%s is there twice", rule.Alert)
			}
			seen[rule.Alert] = true
			if rule.Annotations["summary"] == "" || len(rule.Annotations["description"]) < 40 {
				t.Errorf("%s: want a summary, and a description that says what to do", rule.Alert)
			}
			if s := rule.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s: severity is %q", rule.Alert, s)
			}
		}
	}
	if len(seen) < 8 {
		t.Errorf("%d alerts", len(seen))
	}
}

// TestDashboard parses every expression of the dashboard.
func TestDashboard(t *testing.T) {
	series := documented(t)
	var dashboard struct {
		UID        string
		Title      string
		Templating struct{ List []struct{ Name string } }
		Panels     []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct {
				RefID      string `json:"refId"`
				Expr       string
				Datasource struct{ UID string }
			}
		}
	}
	if err := json.Unmarshal(read(t, "deploy", "grafana", "peal.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.UID == "" || dashboard.Title == "" || len(dashboard.Templating.List) != 2 {
		t.Errorf("uid %q, title %q, %d variables", dashboard.UID, dashboard.Title, len(dashboard.Templating.List))
	}
	// What Grafana puts in place of its variables.
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || panel.GridPos.W == 0 || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("panel %q: id %d twice, or no place", panel.Title, panel.ID)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %q shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			expr := variables.Replace(target.Expr)
			for _, found := range problems(expr, series) {
				t.Errorf("panel %q: %s: %s", panel.Title, target.Expr, found)
			}
			if target.Datasource.UID != "${datasource}" || strings.Contains(expr, "$") {
				t.Errorf("panel %q: data source %q, expression %s", panel.Title, target.Datasource.UID, expr)
			}
		}
	}
	if len(dashboard.Panels) < 20 {
		t.Errorf("%d panels", len(dashboard.Panels))
	}
}
