package soak_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// build makes a server that keeps calls and records for a part of the soak, and deletes what
// is older often.
func build(t *testing.T) (binary string) {
	t.Helper()
	upkeep, err := filepath.Abs("../../server/upkeep.go")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(upkeep)
	if err != nil {
		t.Fatal(err)
	}
	keep := time.Duration(kept * float64(*soakFor))
	text := string(code)
	for _, change := range [][2]string{
		{"pruneEvery = time.Hour", fmt.Sprintf("pruneEvery time.Duration = %d", keep/10)},
		{"keepCalls       = 24 * time.Hour", fmt.Sprintf("keepCalls       time.Duration = %d", keep)},
		{"now.Add(-s.cfg.Settings.Keep)", fmt.Sprintf("now.Add(-%d)", keep)},
	} {
		if strings.Count(text, change[0]) != 1 {
			t.Fatalf("%s has no %q", upkeep, change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	folder := t.TempDir()
	changed := filepath.Join(folder, "upkeep.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{upkeep: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{changed: text, filepath.Join(folder, "overlay.json"): string(overlay)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary = filepath.Join(folder, "peal")
	out, err := exec.Command("go", "build", "-overlay="+filepath.Join(folder, "overlay.json"), "-o", binary,
		"github.com/peal-rtc/peal/cmd/peal").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// tables are those of the server's database, which is read while the server writes.
type tables struct {
	file  string
	db    *sql.DB
	names []string
}

func database(t *testing.T, file string) *tables {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	rows, err := db.Query(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	d := &tables{file: file, db: db}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		d.names = append(d.names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return d
}

// look counts the rows of every table, and the bytes of the files.
func (d *tables) look(t *testing.T) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	for _, name := range d.names {
		var rows float64
		if err := d.db.QueryRow(`SELECT count(*) FROM "` + name + `"`).Scan(&rows); err != nil {
			t.Fatalf("count %s: %v", name, err)
		}
		values[name+"_rows"] = rows
	}
	for _, file := range []string{d.file, d.file + "-wal"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		values["database_bytes"] += float64(info.Size())
	}
	return values
}
