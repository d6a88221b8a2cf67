package deploycheck_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	apps_validation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	core_validation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networking_validation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policy_validation "k8s.io/kubernetes/pkg/apis/policy/validation"
)

// strict reads objects as the API server does, and refuses fields that do not exist.
var strict = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)

// judge reads a manifest, completes it by the defaults of Kubernetes, and validates it.
func judge(manifest string) (name string, object runtime.Object, err error) {
	object, kind, err := strict.UniversalDecoder().Decode([]byte(manifest), nil, nil)
	if err != nil {
		return "", nil, err
	}
	about, err := meta.Accessor(object)
	if err != nil {
		return "", nil, err
	}
	about.SetNamespace("media")
	return kind.Kind + "/" + about.GetName(), object, validate(object).ToAggregate()
}

func validate(object runtime.Object) field.ErrorList {
	switch o := object.(type) {
	case *apps.StatefulSet:
		return apps_validation.ValidateStatefulSet(o, apps_validation.StatefulSetValidationOptions{},
			pod.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *core.Service:
		if o.Spec.ClusterIP != "" { // As the API server completes it.
			o.Spec.ClusterIPs = []string{o.Spec.ClusterIP}
		}
		return core_validation.ValidateServiceCreate(o)
	case *core.Secret:
		return core_validation.ValidateSecret(o)
	case *core.ConfigMap:
		return core_validation.ValidateConfigMap(o)
	case *policy.PodDisruptionBudget:
		return policy_validation.ValidatePodDisruptionBudget(o, policy_validation.PodDisruptionBudgetValidationOptions{})
	case *networking.Ingress:
		return networking_validation.ValidateIngressCreate(o)
	default:
		return field.ErrorList{field.InternalError(nil, fmt.Errorf("nothing validates a %T", o))}
	}
}

// TestJudge: what Kubernetes refuses is found.
func TestJudge(t *testing.T) {
	const budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: calls}\nspec: {maxUnavailable: 1, selector: {matchLabels: {a: b}}}\n"
	for manifest, good := range map[string]bool{
		budget: true,
		strings.Replace(budget, "maxUnavailable", "maxUnavailble", 1):     false,
		strings.Replace(budget, "{a: b}", "{a: b c}", 1):                  false,
		strings.Replace(budget, "policy/v1", "policy/v9", 1):              false,
		strings.Replace(budget, "Unavailable: 1", "Unavailable: -1", 1):   false,
		strings.Replace(budget, "spec: {", "spec: {minAvailable: 1, ", 1): false,
	} {
		if _, _, err := judge(manifest); (err == nil) != good {
			t.Errorf("%v for\n%s", err, manifest)
		}
	}
}

// onMachine is what Kubernetes tells a pod of itself.
var onMachine = map[string]string{
	"metadata.name": "calls-0", "metadata.namespace": "media", "status.podIP": "10.1.0.7", "status.hostIP": "10.0.0.4",
}

// environment is that of a node, as Kubernetes makes it, with the folders of the files that the
// node reads.
func environment(t *testing.T, all map[string]runtime.Object) map[string]string {
	t.Helper()
	set, ok := all["StatefulSet/calls"].(*apps.StatefulSet)
	if !ok {
		t.Fatal("no StatefulSet")
	}
	reference := regexp.MustCompile(`\$\((\w+)\)`)
	env := map[string]string{}
	for _, e := range set.Spec.Template.Spec.Containers[0].Env {
		value := e.Value
		switch from := e.ValueFrom; {
		case from == nil:
			value = reference.ReplaceAllStringFunc(value, func(name string) string {
				known, ok := env[reference.FindStringSubmatch(name)[1]]
				if !ok {
					t.Errorf("%s uses %s, which is not before it", e.Name, name)
				}
				return known
			})
		case from.FieldRef != nil:
			if value, ok = onMachine[from.FieldRef.FieldPath]; !ok {
				t.Errorf("%s takes %s", e.Name, from.FieldRef.FieldPath)
			}
		default:
			value = map[string]string{
				"secret": strings.Repeat("s", 32), "store": "postgres://peal:p@db/peal", "bus": "nats://peal:p@nats:4222",
			}[from.SecretKeyRef.Key]
		}
		env[e.Name] = value
	}
	return env
}

// settings writes the files of the ConfigMap, and gives their folder.
func settings(t *testing.T, all map[string]runtime.Object) string {
	t.Helper()
	files, ok := all["ConfigMap/calls"].(*core.ConfigMap)
	if !ok {
		t.Fatal("no ConfigMap")
	}
	folder := t.TempDir()
	for name, text := range files.Data {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestChartEnvironment: the server takes the environment and the settings file of each variant, and
// each node tells clients an address of its own.
func TestChartEnvironment(t *testing.T) {
	announced := map[string]string{"plain": "10.0.0.4", "pod": "10.1.0.7", "no relay": "", "own secret": "10.0.0.4", "all": "10.0.0.4", "mapped": ""}
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			all := objects(t, given(v))
			env := environment(t, all)
			folder := settings(t, all)
			env["PEAL_CONFIG"] = filepath.Join(folder, strings.TrimPrefix(env["PEAL_CONFIG"], "/etc/peal/"))
			if got := env["PEAL_TURN_ANNOUNCE"]; got != announced[name] {
				t.Errorf("announces %q, want %q", got, announced[name])
			}
			takes(t, env)
			if name != "mapped" {
				return
			}
			text, err := os.ReadFile(env["PEAL_CONFIG"])
			if err != nil {
				t.Fatal(err)
			}
			var file struct {
				TURN struct {
					Announce    netip.Addr
					Allocations int
				}
			}
			if err := json.Unmarshal(text, &file); err != nil || file.TURN.Announce.String() != "203.0.113.4" || file.TURN.Allocations != 1000 {
				t.Errorf("%v in %s", err, text)
			}
			env["PEAL_CONFIG"] = filepath.Join(folder, "10.0.0.9.json")
			if got := serve(t, env); !strings.Contains(got, "10.0.0.9.json") {
				t.Errorf("on a machine that is not listed: %s", got)
			}
		})
	}
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
