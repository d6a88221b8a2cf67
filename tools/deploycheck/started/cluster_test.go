package started_test

import (
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/peal-rtc/peal/tools/deploycheck"
)

const clusterFolder = "../../../deploy/cluster"

// cluster are the processes of the compose file.
type cluster struct {
	project *types.Project
	// ports has free ports for those of the file, by the address in the file.
	ports map[string]string
	// folder belongs to the user of PostgreSQL.
	folder   string
	as       *syscall.Credential
	programs string
	binary   string
	// certificate is the file of the balancer's.
	certificate string

	primary, standby, nats, balancer *process
	nodes                            map[string]*process
}

// at gives a setting of the compose file as it is here: each address has another port.
func (c *cluster) at(text string) string {
	for was, is := range c.ports {
		text = strings.ReplaceAll(text, was, is)
	}
	return text
}

// env is the environment of a service, with what this machine needs beside it.
func (c *cluster) env(t *testing.T, service string, more map[string]string) []string {
	t.Helper()
	env := map[string]string{}
	for name, value := range c.project.Services[service].Environment {
		env[name] = c.at(*value)
	}
	maps.Copy(env, more)
	list := []string{"PATH=" + c.programs + ":" + os.Getenv("PATH")}
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// prepare reads the compose file and finds ports.
func prepare(t *testing.T) *cluster {
	t.Helper()
	variables := append(deploycheck.Variables(), "PEAL_TURN_ANNOUNCE=127.0.0.1")
	p, err := deploycheck.Project(t.Context(), filepath.Join(clusterFolder, "compose.yaml"), variables...)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{project: p, ports: map[string]string{}, programs: programs(t), nodes: map[string]*process{}}
	c.folder, c.as = unprivileged(t)
	for _, address := range []string{
		"127.0.0.1:5432", "127.0.0.1:5433", "127.0.0.1:4222", "127.0.0.1:7331", "127.0.0.1:7332", "127.0.0.1:9331", "127.0.0.1:9332",
	} {
		c.ports[address] = "127.0.0.1:" + freePort(t)
	}
	// The relays: on loopback, as all that tests start.
	c.ports["0.0.0.0:3478"], c.ports["0.0.0.0:3479"] = "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	c.binary = filepath.Join(t.TempDir(), "peal")
	build := exec.Command("go", "build", "-o", c.binary, "./cmd/peal")
	build.Dir = filepath.Join("..", "..", "..")
	do(t, build)
	return c
}

func (c *cluster) port(address string) string {
	_, port, _ := net.SplitHostPort(c.ports[address])
	return port
}

// copied gives a file of the compose file's folder to the user of PostgreSQL.
func (c *cluster) copied(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(clusterFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(c.folder, name)
	if err := os.WriteFile(to, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}

// asPostgres is a command of the user of PostgreSQL.
func (c *cluster) asPostgres(env []string, name string, args ...string) *exec.Cmd {
	command := exec.Command(name, args...)
	if !strings.Contains(name, "/") {
		command = exec.Command(filepath.Join(c.programs, name), args...)
	}
	command.Dir, command.Env = c.folder, env
	command.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	return command
}

// initialized makes the data folder of a server, as the image of PostgreSQL does.
func (c *cluster) initialized(t *testing.T, name string, env []string) (data string) {
	t.Helper()
	data = filepath.Join(c.folder, name)
	secret := filepath.Join(c.folder, "password")
	if err := os.WriteFile(secret, []byte("superuser"), 0o644); err != nil {
		t.Fatal(err)
	}
	do(t, c.asPostgres(env, "initdb", "--pgdata="+data, "--username=postgres", "--pwfile="+secret, "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"))
	return data
}

// startPrimary does what the image of PostgreSQL does with its command and with the scripts in
// docker-entrypoint-initdb.d.
func (c *cluster) startPrimary(t *testing.T) {
	t.Helper()
	port := c.port("127.0.0.1:5432")
	env := c.env(t, "primary", map[string]string{"PGDATA": filepath.Join(c.folder, "primary"), "PGHOST": c.folder, "PGPORT": port})
	data := c.initialized(t, "primary", env)
	args := append(c.project.Services["primary"].Command[1:], "-c", "unix_socket_directories="+c.folder, "-c", "port="+port)
	first := launch(t, syscall.SIGQUIT, c.asPostgres(env, "postgres", append([]string{"-D", data, "-c", "listen_addresses="}, args...)...))
	c.answers(t, c.folder, port)
	do(t, c.asPostgres(env, "/bin/sh", c.copied(t, "primary.sh")))
	first.stop(syscall.SIGINT)
	c.primary = launch(t, syscall.SIGQUIT, c.asPostgres(env, "postgres", append([]string{"-D", data, "-c", "listen_addresses=127.0.0.1"}, args...)...))
	c.answers(t, "127.0.0.1", port)
}

func (c *cluster) answers(t *testing.T, host, port string) {
	t.Helper()
	eventually(t, "PostgreSQL answers", func() bool {
		return c.asPostgres(os.Environ(), "pg_isready", "-h", host, "-p", port, "-U", "postgres").Run() == nil
	})
}

func (c *cluster) startStandby(t *testing.T) {
	t.Helper()
	data, port := filepath.Join(c.folder, "standby"), c.port("127.0.0.1:5433")
	env := c.env(t, "standby", map[string]string{"PGDATA": data, "PGHOST": "127.0.0.1", "PGPORT": c.port("127.0.0.1:5432")})
	c.standby = launch(t, syscall.SIGQUIT, c.asPostgres(env, "/bin/sh", c.copied(t, "standby.sh"),
		"-c", "unix_socket_directories="+c.folder, "-c", "listen_addresses=127.0.0.1", "-c", "port="+port))
	c.answers(t, "127.0.0.1", port)
}

func (c *cluster) startNATS(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(clusterFolder, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "0.0.0.0:4222", c.ports["127.0.0.1:4222"], 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("nats-server")
	if err != nil {
		t.Fatalf("run make tools: %v", err)
	}
	check := exec.Command(program, "-t", "--config", file)
	check.Env = c.env(t, "nats", nil)
	do(t, check)
	server := exec.Command(program, "--config", file)
	server.Env = c.env(t, "nats", nil)
	c.nats = launch(t, syscall.SIGTERM, server)
	eventually(t, "NATS answers", func() bool { return listens(c.ports["127.0.0.1:4222"]) })
}

func (c *cluster) startBalancer(t *testing.T, address string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(clusterFolder, "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	files := map[string]string{
		"cert.pem": certificate(t),
		"haproxy.cfg": strings.NewReplacer(
			"bind :443 ", "bind "+address+" ", "/usr/local/etc/haproxy", folder, "maxconn 100000", "maxconn 1000",
		).Replace(c.at(string(text))),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.certificate = filepath.Join(folder, "cert.pem")
	config := filepath.Join(folder, "haproxy.cfg")
	do(t, exec.Command("/usr/sbin/haproxy", "-c", "-f", config))
	c.balancer = launch(t, syscall.SIGTERM, exec.Command("/usr/sbin/haproxy", "-db", "-f", config))
}

// startNode starts one as the compose file has it, but for a shorter drain.
func (c *cluster) startNode(t *testing.T, service string) {
	t.Helper()
	node := exec.Command(c.binary, "serve")
	node.Env = c.env(t, service, map[string]string{"PEAL_DATA": t.TempDir(), "PEAL_DRAIN": "2s"})
	c.nodes[service] = launch(t, syscall.SIGKILL, node)
}

func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}
