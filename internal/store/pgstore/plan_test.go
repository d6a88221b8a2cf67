package pgstore_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// TestPlans: a commit starts from its arguments and finds all else by indexes, whatever the planner
// believes of the tables: that nothing is known of them, that they are empty, or that they are small.
func TestPlans(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	s := openAt(t, url)
	unbound := regexp.MustCompile(`Index (Only )?Scan [^\n]*\n\s*[^I\s]`) // Not followed by an Index Cond.
	look := func(state string) {
		for name, sql := range pgstore.Statements() {
			plan := explain(t, url, sql)
			for _, bad := range []string{"Seq Scan", "Hash", "Merge"} {
				if strings.Contains(plan, bad) {
					t.Errorf("%s tables, %s: a %s\n%s", state, name, bad, plan)
				}
			}
			if name == "sqlNumber" {
				continue // A call of a function, which EXPLAIN does not look into.
			}
			if found := unbound.FindString(plan); found != "" || !strings.Contains(plan, "Index Cond") {
				t.Errorf("%s tables, %s: an index is read as a whole: %s\n%s", state, name, found, plan)
			}
		}
	}
	look("new")
	session(t, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `ANALYZE`)
		return err
	})
	look("empty")
	commit(t, s, ringing(t, "c1", "alice", "bob"), ringing(t, "c2", "carol", "dave"))
	session(t, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `ANALYZE`)
		return err
	})
	look("small")
}

// TestPlannedStatements: TestPlans looks at each statement that a commit queues.
func TestPlannedStatements(t *testing.T) {
	planned := pgstore.Statements()
	queue := regexp.MustCompile(`\bbatch\.Queue\(([^,)]*)`)
	queued := make(map[string]bool)
	for _, path := range []string{"commit.go", "events.go", "transaction.go"} {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range queue.FindAllStringSubmatch(string(source), -1) {
			queued[match[1]] = true
			if planned[match[1]] == "" {
				t.Errorf("%s queues %s, which TestPlans does not look at", path, match[1])
			}
		}
	}
	for name := range planned {
		if !queued[name] {
			t.Errorf("no commit queues %s", name)
		}
	}
}

// explain gives the plan that a connection for commits has of a statement.
func explain(t *testing.T, url, sql string) string {
	t.Helper()
	var plan strings.Builder
	session(t, url, func(conn *pgx.Conn) error {
		for name, value := range pgstore.Planning() {
			if _, err := conn.Exec(t.Context(), `SELECT set_config($1, $2, false)`, name, value); err != nil {
				return err
			}
		}
		prepared, err := conn.Prepare(t.Context(), "explained", sql)
		if err != nil {
			return err
		}
		nulls := strings.TrimSuffix(strings.Repeat("NULL, ", len(prepared.ParamOIDs)), ", ")
		rows, err := conn.Query(t.Context(), `EXPLAIN EXECUTE explained (`+nulls+`)`, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan.WriteString(strings.Join(lines, "\n"))
		return err
	})
	return plan.String()
}

// session does something on a connection to a database.
func session(t testing.TB, url string, do func(*pgx.Conn) error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := do(conn); err != nil {
		t.Fatal(err)
	}
}
