package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby starts a synchronous standby of the server, which ends with the test: from then on a
// commit of the server waits until the standby has it.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	folder, err := os.MkdirTemp("", "peal-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	standby := &Server{folder: folder, programs: s.programs, password: s.password, settings: s.settings, log: &logs{}}
	t.Cleanup(func() {
		if err := standby.stop(); err != nil {
			t.Errorf("stop the standby: %v", err)
		}
	})
	standby.Follow(t, s)
	return standby
}

// Follow has a server that does not run become the synchronous standby of another one, at the
// address that it had, if it had one. Its data is replaced.
func (s *Server) Follow(t testing.TB, primary *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startsWithin)
	defer cancel()
	err := s.copyFrom(ctx, primary)
	if err == nil {
		err = s.launch(ctx)
	}
	if err == nil {
		err = primary.do(ctx, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	}
	if err == nil {
		err = primary.do(ctx, "SELECT pg_reload_conf()")
	}
	if err == nil {
		err = primary.awaits(ctx, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
	}
	if err != nil {
		t.Fatalf("start a standby: %v\n%s", err, s.log)
	}
}

// copyFrom takes a base backup.
func (s *Server) copyFrom(ctx context.Context, primary *Server) error {
	if err := os.RemoveAll(s.data()); err != nil {
		return err
	}
	as, err := unprivileged(s.folder)
	if err != nil {
		return err
	}
	backup := exec.CommandContext(ctx, filepath.Join(s.programs, "pg_basebackup"), "--pgdata="+s.data(), "--write-recovery-conf",
		"--wal-method=stream", "--checkpoint=fast", "--no-sync", "--host=127.0.0.1", "--port="+strconv.Itoa(primary.port), "--username=peal")
	backup.Env = append(os.Environ(), "PGPASSWORD="+s.password, "PGAPPNAME="+rand.Text())
	backup.Dir, backup.SysProcAttr = s.folder, as
	if out, err := backup.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	// The primary may have a standby, and the copy has none once it is promoted.
	settings, err := os.OpenFile(filepath.Join(s.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = settings.WriteString("synchronous_standby_names = ''\n")
	return errors.Join(err, settings.Close())
}

// Promote has a standby take the place of its primary, which must be dead: otherwise both take
// writes. It has no standby until another server follows it.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	if err := s.do(t.Context(), "SELECT pg_promote(true, 30)"); err != nil {
		t.Fatalf("promote the standby: %v", err)
	}
}

// awaits waits until a query is true.
func (s *Server) awaits(ctx context.Context, query string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var holds bool
		if err := conn.QueryRow(ctx, query).Scan(&holds); err != nil || holds {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", query, ctx.Err())
		case <-tick.C:
		}
	}
}

// Stop ends a server in order, as an operator does.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.process.end(syscall.SIGINT); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
}
