package deploycheck_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/peal-rtc/peal/tools/deploycheck"
)

const clusterFolder = "../../deploy/cluster"

// cluster reads the compose file of a cluster.
func cluster(t *testing.T) *types.Project {
	t.Helper()
	p, err := deploycheck.Project(t.Context(), filepath.Join(clusterFolder, "compose.yaml"), deploycheck.Variables()...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shipped reads a file beside it.
func shipped(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(clusterFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// environ is what a service's environment is in its container.
func environ(t *testing.T, p *types.Project, service string) map[string]string {
	t.Helper()
	env := map[string]string{}
	for name, value := range p.Services[service].Environment {
		if value == nil {
			t.Fatalf("%s has %s without a value", service, name)
		}
		env[name] = *value
	}
	return env
}

// TestComposeOfOne: docker compose reads the file of a single server.
func TestComposeOfOne(t *testing.T) {
	_, err := deploycheck.Project(t.Context(), "../../deploy/compose.yaml", append(deploycheck.Variables(), "PEAL_ACME_DOMAIN=calls.example.com")...)
	if err != nil {
		t.Error(err)
	}
}

// TestComposeNeeds: each variable that the file wants is in the commands that write .env, and the
// file is refused without it.
func TestComposeNeeds(t *testing.T) {
	text := shipped(t, "compose.yaml")
	all := deploycheck.Variables()
	for i, v := range all {
		name, _, _ := strings.Cut(v, "=")
		if !strings.Contains(text, "echo "+name+"=") {
			t.Errorf("no command writes %s", name)
		}
		less := slices.Delete(slices.Clone(all), i, i+1)
		if _, err := deploycheck.Project(t.Context(), filepath.Join(clusterFolder, "compose.yaml"), less...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// TestComposeNodes: peal takes the settings of both nodes. They differ by their addresses and ports
// alone, share none, and have what the relay needs on one machine.
func TestComposeNodes(t *testing.T) {
	p := cluster(t)
	a, b := environ(t, p, "node-a"), environ(t, p, "node-b")
	own := []string{"PEAL_ADDR", "PEAL_ADVERTISE", "PEAL_METRICS_ADDR", "PEAL_TURN_ADDR", "PEAL_TURN_MAX_PORT", "PEAL_TURN_MIN_PORT"}
	for name, value := range a {
		if differs := value != b[name]; differs != slices.Contains(own, name) {
			t.Errorf("%s is %q and %q", name, value, b[name])
		}
	}
	port := func(env map[string]string, name string) int64 { return number(t, env[name]) }
	if port(a, "PEAL_TURN_MIN_PORT") >= port(a, "PEAL_TURN_MAX_PORT") || port(a, "PEAL_TURN_MAX_PORT") >= port(b, "PEAL_TURN_MIN_PORT") ||
		port(b, "PEAL_TURN_MIN_PORT") >= port(b, "PEAL_TURN_MAX_PORT") {
		t.Errorf("ports of relayed media: %v, %v", a, b)
	}
	for service, env := range map[string]map[string]string{"node-a": a, "node-b": b} {
		takes(t, env)
		s := p.Services[service]
		if s.NetworkMode != "host" || env["PEAL_TURN_ANNOUNCE"] != "203.0.113.7" || env["PEAL_TURN_ALLOW_PEER"] != env["PEAL_TURN_ANNOUNCE"] {
			t.Errorf("%s: the relay of the other node cannot reach this one: %v %v", service, s.NetworkMode, env)
		}
		drain, err := time.ParseDuration(env["PEAL_DRAIN"])
		if err != nil || time.Duration(*s.StopGracePeriod) < drain+15*time.Second {
			t.Errorf("%s: killed after %v, drains for %v", service, s.StopGracePeriod, drain)
		}
		if env["PEAL_ADVERTISE"] != "http://"+env["PEAL_ADDR"] {
			t.Errorf("%s: listens on %s, and says %s", service, env["PEAL_ADDR"], env["PEAL_ADVERTISE"])
		}
		if !strings.Contains(shipped(t, "haproxy.cfg"), "server "+service+" "+env["PEAL_ADDR"]+"\n") {
			t.Errorf("the balancer does not know %s at %s", service, env["PEAL_ADDR"])
		}
		if len(s.Tmpfs) != 1 || !strings.HasPrefix(s.Tmpfs[0], "/var/lib/peal:uid=65532,gid=65532") || s.User != "65532:65532" {
			t.Errorf("%s: cannot write its data folder: %v as %s", service, s.Tmpfs, s.User)
		}
	}
}

// TestComposeAddresses: the URLs of the nodes lead to what the other services publish, and nothing
// but the balancer and the relays is published to others.
func TestComposeAddresses(t *testing.T) {
	p := cluster(t)
	env := environ(t, p, "node-a")
	published := map[string]string{}
	for name, s := range p.Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s to everybody", name, port.Published)
			}
			published[name] = port.HostIP + ":" + port.Published
		}
	}
	if want := "@" + published["primary"] + "," + published["standby"] + "/peal?target_session_attrs=read-write"; !strings.HasSuffix(env["PEAL_STORE"], want) {
		t.Errorf("the store is %s, want …%s", env["PEAL_STORE"], want)
	}
	if want := "nats://peal:n0123456789abcdef@" + published["nats"]; env["PEAL_BUS"] != want {
		t.Errorf("the bus is %s, want %s", env["PEAL_BUS"], want)
	}
	if subjects := regexp.MustCompile(`"peal\.(\w+)\.>"`).FindAllStringSubmatch(shipped(t, "nats.conf"), -1); len(subjects) != 2 || subjects[0][1] != env["PEAL_CLUSTER"] {
		t.Errorf("NATS allows %v, the cluster is %s", subjects, env["PEAL_CLUSTER"])
	}
	for service, script := range map[string]string{"primary": "primary.sh", "standby": "standby.sh"} {
		has := environ(t, p, service)
		for _, name := range regexp.MustCompile(`\$\{?(P[A-Z_]+)`).FindAllStringSubmatch(shipped(t, script), -1) {
			if has[name[1]] == "" && name[1] != "PGDATA" && name[1] != "POSTGRES_USER" { // Those two the image gives.
				t.Errorf("%s uses %s, which compose.yaml does not give", script, name[1])
			}
		}
	}
}
