package deploycheck_test

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/apis/apps"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/policy"
	"sigs.k8s.io/yaml"
)

const chartFolder = "../../deploy/helm/peal"

// values are some that the chart's values.yaml is completed by.
type values = map[string]any

// given are those that have no default.
func given(more values) values {
	all := values{"secrets": values{
		"secret": strings.Repeat("s", 32), "store": "postgres://peal:p@db/peal", "bus": "nats://peal:p@nats:4222",
	}}
	maps.Copy(all, more)
	return all
}

// render gives the manifests of the chart by their files.
func render(t *testing.T, v values) (map[string]string, error) {
	t.Helper()
	chart, err := loader.Load(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: "calls", Namespace: "media", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(chart, v, release, nil)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.RenderWithContext(t.Context(), chart, all)
}

// objects are what Kubernetes makes of the chart, with its defaults, by kind and name.
func objects(t *testing.T, v values) map[string]runtime.Object {
	t.Helper()
	files, err := render(t, v)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]runtime.Object{}
	for file, text := range files {
		if !strings.HasSuffix(file, ".yaml") {
			continue
		}
		for _, manifest := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
			if strings.TrimSpace(manifest) == "" {
				continue
			}
			name, object, err := judge(manifest)
			if err != nil {
				t.Errorf("%s: %v\n%s", file, err, manifest)
			}
			all[name] = object
		}
	}
	return all
}

// nodes is the StatefulSet of the nodes.
func nodes(t *testing.T, v values) *apps.StatefulSet {
	t.Helper()
	set, ok := objects(t, v)["StatefulSet/calls"].(*apps.StatefulSet)
	if !ok {
		t.Fatal("the chart makes no StatefulSet calls")
	}
	return set
}

// variants are values that each take another way through the templates.
func variants() map[string]values {
	return map[string]values{
		"plain":      {},
		"own secret": {"existingSecret": "calls-secrets", "secrets": values{"secret": "", "store": "", "bus": ""}},
		"no relay":   {"turn": values{"enabled": false}},
		"pod":        {"turn": values{"hostNetwork": false, "announce": "podIP", "allowPeer": []any{"10.0.0.0/8", "fd00::/8"}}},
		"mapped": {
			"turn":     values{"announce": "mapped", "publicAddresses": values{"10.0.0.4": "203.0.113.4", "10.0.0.5": "203.0.113.5"}},
			"settings": values{"keep_records": "2160h", "turn": values{"allocations": 1000}},
		},
		"all": {
			"replicas": 5, "image": values{"repository": "registry.example.com/peal", "tag": "0.2.0"}, "cluster": "prod-1",
			"imagePullSecrets": []any{values{"name": "registry"}}, "tlsSecret": "calls-tls",
			"drainSeconds": 120, "terminationGracePeriodSeconds": 435, "trustedProxies": []any{"10.0.0.0/8"},
			"settings": values{"origins": []any{"https://app.example.com"}, "timing": values{"ring": "45s"}},
			"turn":     values{"tlsPort": 5349}, "metrics": values{"enabled": true},
			"service": values{"type": "LoadBalancer", "port": 443, "annotations": values{"example.com/a": "b"}},
			"ingress": values{
				"enabled": true, "className": "nginx", "host": "calls.example.com", "tlsSecret": "web-tls",
				"annotations": values{"nginx.ingress.kubernetes.io/proxy-read-timeout": "90"},
			},
			"podAnnotations": values{"example.com/c": "d"}, "nodeSelector": values{"example.com/media": "yes"},
			"tolerations":         []any{values{"key": "media", "operator": "Exists", "effect": "NoSchedule"}},
			"affinity":            values{"nodeAffinity": values{}},
			"podDisruptionBudget": values{"maxUnavailable": "25%"},
		},
	}
}

// TestChart: Helm's linter finds nothing, and Kubernetes takes every object.
func TestChart(t *testing.T) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			folder, err := filepath.Abs(chartFolder)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range lint.RunAll(folder, given(v), "media").Messages {
				if m.Severity > support.InfoSev {
					t.Errorf("lint: %v", m)
				}
			}
			all := objects(t, given(v))
			want := []string{"ConfigMap/calls", "PodDisruptionBudget/calls", "Secret/calls", "Service/calls", "Service/calls-nodes", "StatefulSet/calls"}
			if v["existingSecret"] != nil {
				want = slices.DeleteFunc(want, func(name string) bool { return name == "Secret/calls" })
			}
			if v["ingress"] != nil {
				want = append(want, "Ingress/calls")
			}
			slices.Sort(want)
			if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestChartRefuses: values that cannot work give a sentence that says what to do.
func TestChartRefuses(t *testing.T) {
	for want, v := range map[string]values{
		"secrets.secret is empty": {"secrets": values{"secret": ""}},
		"secrets.bus is empty":    given(values{"secrets": values{"bus": ""}}),
		"is 360: give at least drainSeconds + turn.drainSeconds + 15, which is 361": given(values{"drainSeconds": 46}),
		"is 360: give at least drainSeconds + turn.drainSeconds + 15, which is 362": given(values{"turn": values{"drainSeconds": 317}}),
		"is 60: give at least drainSeconds + 15, which is 61": given(values{
			"drainSeconds": 46, "terminationGracePeriodSeconds": 60, "turn": values{"enabled": false},
		}),
		"announce is hostIP and turn.hostNetwork is false": given(values{"turn": values{"hostNetwork": false}}),
		"announce is podIP and turn.hostNetwork is true":   given(values{"turn": values{"announce": "podIP"}}),
		"turn.publicAddresses is empty":                    given(values{"turn": values{"announce": "mapped"}}),
		"turn.minPort is above turn.maxPort":               given(values{"turn": values{"minPort": 60000}}),
		"TURN over TLS needs a certificate":                given(values{"turn": values{"tlsPort": 5349}}),
		"replica":                                          given(values{"replica": 3}),
		"/turn/announce":                                   given(values{"turn": values{"announce": "nodeIP"}}),
		"/secrets/store":                                   given(values{"secrets": values{"store": "mysql://db/peal"}}),
		"/secrets/secret":                                  given(values{"secrets": values{"secret": "short"}}),
	} {
		if secrets, ok := v["secrets"].(values); ok && want != "secrets.secret is empty" {
			all, _ := given(nil)["secrets"].(values)
			maps.Copy(all, secrets)
			v["secrets"] = all
		}
		if _, err := render(t, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestChartNodes: a node stops in its own time, is asked by the right paths, holds no stickiness,
// and no more than one leaves at a time.
func TestChartNodes(t *testing.T) {
	for name, v := range variants() {
		all := objects(t, given(v))
		set, _ := all["StatefulSet/calls"].(*apps.StatefulSet)
		pod := set.Spec.Template.Spec
		c := pod.Containers[0]
		for path, probe := range map[string]*core.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
			if probe.HTTPGet.Path != path || probe.HTTPGet.Port.String() != "web" || string(probe.HTTPGet.Scheme) == "HTTPS" != (v["tlsSecret"] != nil) {
				t.Errorf("%s: probe %+v, want %s", name, probe.HTTPGet, path)
			}
		}
		if got := string(all["Service/calls"].(*core.Service).Spec.SessionAffinity); got != "None" {
			t.Errorf("%s: affinity %s", name, got)
		}
		budget := all["PodDisruptionBudget/calls"].(*policy.PodDisruptionBudget).Spec
		if v["podDisruptionBudget"] == nil && budget.MaxUnavailable.IntValue() != 1 {
			t.Errorf("%s: budget %+v", name, budget)
		}
		if set.Spec.UpdateStrategy.Type != apps.RollingUpdateStatefulSetStrategyType || set.Spec.MinReadySeconds < 10 {
			t.Errorf("%s: updates by %+v", name, set.Spec.UpdateStrategy)
		}
		env := environment(t, all)
		drain := strings.TrimSuffix(env["PEAL_DRAIN"], "s")
		relays := cmp.Or(strings.TrimSuffix(env["PEAL_TURN_DRAIN"], "s"), "0")
		if grace := *pod.TerminationGracePeriodSeconds; grace < number(t, drain)+number(t, relays)+15 {
			t.Errorf("%s: killed after %d s, drains for %s s and %s s", name, grace, drain, relays)
		}
		if off := name == "no relay"; off != (relays == "0") {
			t.Errorf("%s: the relay drains for %s s", name, relays)
		}
	}
}

// TestChartSecret: the made Secret holds what the nodes ask it for, and the other one is not made.
func TestChartSecret(t *testing.T) {
	secret, ok := objects(t, given(nil))["Secret/calls"].(*core.Secret)
	if !ok {
		t.Fatal("no secret")
	}
	for _, e := range nodes(t, given(nil)).Spec.Template.Spec.Containers[0].Env {
		if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
			continue
		}
		if ref := e.ValueFrom.SecretKeyRef; ref.Name != secret.Name || len(secret.Data[ref.Key]) == 0 {
			t.Errorf("%s is %s of %s, which it has not: %v", e.Name, ref.Key, ref.Name, slices.Collect(maps.Keys(secret.Data)))
		}
	}
	files, err := render(t, given(values{"existingSecret": "own", "secrets": values{"secret": "", "store": "", "bus": ""}}))
	if err != nil {
		t.Fatal(err)
	}
	if set := files["peal/templates/statefulset.yaml"]; strings.Count(set, "name: own, key:") != 3 {
		t.Errorf("the nodes do not ask the own secret:\n%s", set)
	}
}

// TestChartSays: values.yaml has a comment for what people fill in, and no value without use.
func TestChartSays(t *testing.T) {
	chart, err := loader.Load(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	var templates strings.Builder
	for _, f := range chart.Templates {
		templates.Write(f.Data)
	}
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	if err := yaml.Unmarshal(chart.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	for name := range chart.Values {
		if !strings.Contains(templates.String(), ".Values."+name) {
			t.Errorf("no template has the value %s", name)
		}
		if schema.Properties[name] == nil {
			t.Errorf("values.schema.json has not %s", name)
		}
	}
}

// TestChartPage: the values of the page are good, and the server takes what they give it.
func TestChartPage(t *testing.T) {
	for _, file := range []string{"cluster.md", "cluster.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "run", file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile("(?s)```yaml chart\n(.*?)```").FindStringSubmatch(string(text))
		if found == nil {
			t.Fatalf("%s has no values", file)
		}
		var v values
		if err := yaml.Unmarshal([]byte(found[1]), &v); err != nil {
			t.Fatal(err)
		}
		all := objects(t, v)
		env := environment(t, all)
		env["PEAL_CONFIG"] = filepath.Join(settings(t, all), "10.0.0.4.json")
		takes(t, env)
	}
}

// TestPageLinks: what the pages link to is there, with its heading.
func TestPageLinks(t *testing.T) {
	docs := filepath.Join("..", "..", "docs", "run")
	heading := func(text string) string {
		kept := strings.Map(func(c rune) rune {
			if unicode.IsLetter(c) || unicode.IsDigit(c) || c == '-' || c == ' ' {
				return unicode.ToLower(c)
			}
			return -1
		}, text)
		return strings.ReplaceAll(kept, " ", "-")
	}
	for _, page := range []string{"cluster.md", "cluster.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join(docs, page))
		if err != nil {
			t.Fatal(err)
		}
		links := regexp.MustCompile(`\]\(([^)#]*)#?([^)]*)\)`).FindAllStringSubmatch(string(text), -1)
		if len(links) < 10 {
			t.Errorf("%s has %d links", page, len(links))
		}
		for _, link := range links {
			target := text
			if link[1] != "" {
				file := filepath.Join(docs, link[1])
				if _, err := os.Stat(file); err != nil {
					t.Errorf("%s: %v", page, err)
				}
				target, _ = os.ReadFile(file)
			}
			headings := []string{""}
			for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(target), -1) {
				headings = append(headings, heading(h[1]))
			}
			if !slices.Contains(headings, link[2]) {
				t.Errorf("%s: no heading for %s#%s", page, link[1], link[2])
			}
		}
	}
}
