package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// setupPatience bounds each step of setting up a database.
	setupPatience = time.Minute
	// kamailioTables holds the SQL files of Kamailio, a folder for each database.
	kamailioTables = "/usr/share/kamailio"
	// postgresUser runs PostgreSQL where root runs the benchmark: PostgreSQL refuses root.
	postgresUser = "postgres"
)

// database is a database server with the tables of Kamailio. It keeps its data in a
// temporary folder, which stop removes.
type database struct {
	*process
	folder string
	// module is the module of Kamailio for this database, url its address for it. env is
	// the environment that Kamailio needs for it.
	module, url string
	env         []string
	// query runs SQL, from a file where that begins with @, and returns what it prints.
	query func(ctx context.Context, sql string) (string, error)
}

func (d *database) stop() {
	if d.process != nil {
		d.process.stop()
	}
	_ = os.RemoveAll(d.folder)
}

// missingError is about a program, or a file, that is not installed.
type missingError struct{ program, debian string }

func (e *missingError) Error() string {
	return fmt.Sprintf("%s is not installed: install Debian's package %s", e.program, e.debian)
}

// need checks that programs are installed. It is given pairs of a program, or a file,
// and the Debian package that has it.
func need(pairs ...string) error {
	for pair := range slices.Chunk(pairs, 2) {
		if strings.HasPrefix(pair[0], "/") {
			if found, _ := filepath.Glob(pair[0]); len(found) == 0 {
				return &missingError{pair[0], pair[1]}
			}
		} else if _, err := exec.LookPath(pair[0]); err != nil {
			return &missingError{pair[0], pair[1]}
		}
	}
	return nil
}

// output runs a program that ends by itself, and returns what it prints.
func output(ctx context.Context, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, setupPatience)
	defer cancel()
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(command[0]), err, strings.TrimSpace(string(text)))
	}
	return string(text), nil
}

// startMariaDB starts MariaDB with its defaults, so InnoDB flushes its log at each commit.
func startMariaDB(ctx context.Context) (d *database, err error) {
	err = need("mariadb-install-db", "mariadb-server", "mariadbd", "mariadb-server", "mariadb", "mariadb-client",
		kamailioTables+"/mysql/dialog-create.sql", "kamailio-mysql-modules")
	if err != nil {
		return nil, err
	}
	who, err := user.Current()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "peal-bench-mariadb-")
	if err != nil {
		return nil, err
	}
	made := &database{folder: folder, module: "db_mysql", url: "mysql://root@localhost/kamailio"}
	defer func() {
		if err != nil {
			made.stop()
		}
	}()
	data, socket := filepath.Join(folder, "data"), filepath.Join(folder, "socket")
	made.env = []string{"MYSQL_UNIX_PORT=" + socket}
	_, err = output(ctx, "mariadb-install-db", "--no-defaults", "--datadir="+data, "--user="+who.Username,
		"--auth-root-authentication-method=normal", "--skip-test-db")
	if err != nil {
		return nil, err
	}
	made.process, err = start(ctx, "mariadbd", "mariadbd", "--no-defaults", "--datadir="+data, "--user="+who.Username,
		"--socket="+socket, "--pid-file="+filepath.Join(folder, "pid"), "--skip-networking")
	if err != nil {
		return nil, err
	}
	made.query = func(ctx context.Context, sql string) (string, error) {
		if file, ok := strings.CutPrefix(sql, "@"); ok {
			sql = "source " + file
		}
		return output(ctx, "mariadb", "--no-defaults", "--socket="+socket, "--user=root", "--skip-column-names", "--batch",
			"--database=kamailio", "--execute="+sql)
	}
	ready := func() bool {
		_, err := output(ctx, "mariadb", "--no-defaults", "--socket="+socket, "--user=root", "--execute=CREATE DATABASE IF NOT EXISTS kamailio")
		return err == nil
	}
	if err := made.until(ctx, ready); err != nil {
		return nil, err
	}
	return made, made.fill(ctx, "mysql")
}

// startPostgres starts PostgreSQL for Kamailio.
func startPostgres(ctx context.Context) (d *database, err error) {
	if err := need("psql", "postgresql-client", kamailioTables+"/postgres/dialog-create.sql", "kamailio-postgres-modules"); err != nil {
		return nil, err
	}
	made, err := barePostgres(ctx)
	if err != nil {
		return nil, err
	}
	if err := made.fill(ctx, "postgres"); err != nil {
		made.stop()
		return nil, err
	}
	return made, nil
}

// barePostgres starts PostgreSQL with its defaults, on loopback, and nothing in it.
func barePostgres(ctx context.Context) (d *database, err error) {
	if err := need("psql", "postgresql-client", "setpriv", "util-linux"); err != nil {
		return nil, err
	}
	bin, err := postgresFolder()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "peal-bench-postgres-")
	if err != nil {
		return nil, err
	}
	made := &database{folder: folder, module: "db_postgres", url: fmt.Sprintf("postgres://kamailio:none@127.0.0.1:%d/postgres", port)}
	defer func() {
		if err != nil {
			made.stop()
		}
	}()
	as, err := postgresOwner(folder)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(folder, "data")
	initialize := append(slices.Clone(as), filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=kamailio", "--auth=trust", "--encoding=UTF8", "--locale=C")
	if _, err := output(ctx, initialize...); err != nil {
		return nil, err
	}
	serve := append(slices.Clone(as), filepath.Join(bin, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-k", folder)
	if made.process, err = start(ctx, "postgres", serve...); err != nil {
		return nil, err
	}
	made.quit = syscall.SIGINT // Without waiting for its clients.
	made.query = func(ctx context.Context, sql string) (string, error) {
		option := "--command=" + sql
		if file, ok := strings.CutPrefix(sql, "@"); ok {
			option = "--file=" + file
		}
		return output(ctx, "psql", "--no-psqlrc", "--host=127.0.0.1", "--port="+strconv.Itoa(port), "--username=kamailio",
			"--dbname=postgres", "--set=ON_ERROR_STOP=1", "--quiet", "--tuples-only", "--no-align", option)
	}
	ready := func() bool {
		_, err := made.query(ctx, "SELECT 1")
		return err == nil
	}
	if err := made.until(ctx, ready); err != nil {
		return nil, err
	}
	return made, nil
}

// postgresFolder is where the programs of PostgreSQL are. Debian keeps them out of PATH.
func postgresFolder() (string, error) {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres"); len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	found, err := exec.LookPath("postgres")
	if err != nil {
		return "", &missingError{"postgres", "postgresql"}
	}
	return filepath.Dir(found), nil
}

// postgresOwner gives a folder to the user that PostgreSQL runs as, and returns the
// command that runs another one as that user: none, unless root asks.
func postgresOwner(folder string) ([]string, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	who, err := user.Lookup(postgresUser)
	if err != nil {
		return nil, &missingError{"the user " + postgresUser, "postgresql"}
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(folder, uid, -1); err != nil {
		return nil, err
	}
	return []string{"setpriv", "--reuid=" + who.Uid, "--regid=" + who.Gid, "--clear-groups"}, nil
}

// fill makes the tables that Kamailio's modules dialog and acc use.
func (d *database) fill(ctx context.Context, kind string) error {
	for _, name := range []string{"standard", "dialog", "acc"} {
		if _, err := d.query(ctx, "@"+filepath.Join(kamailioTables, kind, name+"-create.sql")); err != nil {
			return fmt.Errorf("make the tables of %s: %w", name, err)
		}
	}
	return nil
}

// rows counts the rows of a table.
func (d *database) rows(ctx context.Context, table string) (int, error) {
	text, err := d.query(ctx, "SELECT count(*) FROM "+table)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(text))
}

// check finds out whether Kamailio has stored what it was to: two rows for each call, by
// its beginning and its end, and no call that has ended as one that is live.
func (d *database) check(ctx context.Context, calls int) error {
	records, err := d.rows(ctx, "acc")
	if err != nil {
		return err
	}
	if records != 2*calls {
		return fmt.Errorf("%d calls left %d rows in the table acc, not two each: Kamailio loses rows", calls, records)
	}
	live := 0
	gone := func() bool {
		live, err = d.rows(ctx, "dialog")
		return err != nil || live == 0
	}
	if late := until(ctx, gone); late != nil {
		return errors.Join(late, fmt.Errorf("%d calls that have ended are still in the table dialog", live))
	}
	return err
}
