package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// An older peal refuses the database of a newer one by one sentence, which says what
// to do, and changes no byte of the file: the newer one has to read it again.
func TestNewerDatabase(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} { // What a newer peal keeps is not known here.
		t.Run(journal, func(t *testing.T) {
			data := t.TempDir()
			path := filepath.Join(data, "peal.db")
			old, err := os.ReadFile("../../internal/server/testdata/old/peal-0.1.0.sqlite")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, old, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (11, 1); PRAGMA journal_mode = ` + journal)
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			newer, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			code, out, complaint := peal("serve", "--addr", "127.0.0.1:0", "--turn-addr", "off", "--data", data, "--secret", secret)
			want := fmt.Sprintf("peal: %s was written by a newer peal (schema 11, this one knows 10): start that version, or restore a backup\n", path)
			if code != exitFailed || out != "" || complaint != want {
				t.Errorf("exit code %d, out %q, complaint\n%q, want\n%q", code, out, complaint, want)
			}
			if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, newer) {
				t.Errorf("the refusal changed the file: %v", err)
			}
			left, err := filepath.Glob(filepath.Join(data, "peal.db-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("the refusal left %s beside it, %v", strings.Join(left, ", "), err)
			}
		})
	}
}
