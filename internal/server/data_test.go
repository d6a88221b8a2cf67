package server

import (
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDataIsTheOwners: nobody else on the machine can read what a server that runs has in its
// data folder.
func TestDataIsTheOwners(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	b := start(t, func(cfg *Config) { cfg.Settings.Data = data })
	b.login("alice", "a").invite(numbered(1), "bob")
	if _, err := Backup(t.Context(), data, filepath.Join(data, "backup.db")); err != nil {
		t.Fatal(err)
	}
	var found []string
	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		found = append(found, entry.Name())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"data", "peal.db", "peal.db-wal", "peal.db-shm", "peal.db.lock", "backup.db"} {
		if !slices.Contains(found, want) {
			t.Errorf("no %s among %v", want, found)
		}
	}
}

// TestAPIKeysAreNotLogged: at no level does the log hold a key, be it good, wrong, or in the
// wrong place.
func TestAPIKeysAreNotLogged(t *testing.T) {
	var log logBuffer
	b := start(t, withAPI, func(cfg *Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	wrong := strings.Repeat("B", 42) + "I"
	b.login("alice", "a").invite(numbered(1), "bob")
	for _, path := range []string{"/api/v1/calls", "/api/v1/calls?key=" + apiSecret, "/api/v1/calls/" + apiSecret, "/api/v1/nothing"} {
		for _, secret := range []string{apiSecret, wrong} {
			b.get(http.MethodGet, path, map[string]string{"Authorization": "Bearer " + goodKey + secret})
			b.get(http.MethodGet, path, map[string]string{"Authorization": goodKey + secret, "X-Request-Id": "mine"})
		}
	}
	b.get(http.MethodPost, "/api/v1/calls/"+numbered(1)+"/end", map[string]string{"Authorization": "Bearer " + goodKey + apiSecret})
	b.dial().ask("hello", map[string]any{"token": goodKey + apiSecret, "deviceId": "a", "fresh": true})
	b.stop()
	log.says(t, "call ended by a backend")
	log.says(t, "key=crm")
	for _, secret := range []string{apiSecret, wrong} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds a key:\n%s", &log)
		}
	}
}
