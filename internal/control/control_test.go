package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakeKeys are keys of a test.
type fakeKeys struct {
	list []Key
}

func (f *fakeKeys) Make(_ context.Context, name string, scopes []string) (Key, error) {
	if name == "" {
		return Key{}, errors.New("give a name")
	}
	return Key{ID: name, Scopes: scopes, Secret: "s"}, nil
}

func (f *fakeKeys) List(context.Context) ([]Key, error) {
	return f.list, nil
}

func (f *fakeKeys) Revoke(_ context.Context, id string) error { return fmt.Errorf("no key %q", id) }

// inspect answers with what it was asked for.
func inspect(_ context.Context, call string) ([]byte, error) {
	if call == "none" {
		return nil, errors.New("no such call")
	}
	return json.Marshal(map[string]string{"call": call})
}

// serve serves keys on a data folder.
func serve(t *testing.T, data string, keys Keys) Client {
	t.Helper()
	l, err := Listen(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(keys, inspect, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return client(t, data)
}

func client(t *testing.T, data string) Client {
	t.Helper()
	database := filepath.Join(data, "db")
	if err := os.WriteFile(database, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return Client{Data: data, Database: database}
}

func TestAsk(t *testing.T) {
	keys := &fakeKeys{list: []Key{{ID: "a", Used: time.Unix(60, 0).UTC()}, {ID: "b", Fixed: true}}}
	data := t.TempDir()
	c := serve(t, data, keys)
	key, err := c.Make(t.Context(), "crm", []string{"read"})
	if err != nil || key.Secret != "s" || key.ID != "crm" || key.Scopes[0] != "read" {
		t.Errorf("Make = %+v, %v", key, err)
	}
	if _, err := c.Make(t.Context(), "", nil); err == nil || err.Error() != "give a name" {
		t.Errorf("Make = %v", err)
	}
	if list, err := c.List(t.Context()); err != nil || len(list) != 2 || list[0].ID != "a" || !list[0].Used.Equal(time.Unix(60, 0)) || !list[1].Fixed {
		t.Errorf("List = %+v, %v", list, err)
	}
	for _, id := range []string{"crm", "../x", "a b/c%"} {
		if err := c.Revoke(t.Context(), id); err == nil || err.Error() != fmt.Sprintf("no key %q", id) {
			t.Errorf("Revoke(%q) = %v", id, err)
		}
	}
	for call, want := range map[string]string{"": `{"call":""}`, "a b&c": `{"call":"a b\u0026c"}`} {
		if state, err := c.Inspect(t.Context(), call); err != nil || string(state) != want {
			t.Errorf("Inspect(%q) = %s, %v", call, state, err)
		}
	}
	if state, err := c.Inspect(t.Context(), "none"); err == nil || err.Error() != "no such call" {
		t.Errorf("Inspect = %s, %v", state, err)
	}
	info, err := os.Stat(filepath.Join(data, name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has the mode %v, %v", info.Mode(), err)
	}
	if _, err := c.Make(t.Context(), strings.Repeat("x", bodyBytes), nil); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("a large request: %v", err)
	}
}

// TestStale: the socket of a server that was killed is in nobody's way; another file stays.
func TestStale(t *testing.T) {
	data := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(data, name)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, data).List(t.Context()); err == nil || !strings.Contains(err.Error(), "no server runs") {
		t.Errorf("beside a stale socket: %v", err)
	}
	if _, err := serve(t, data, &fakeKeys{}).List(t.Context()); err != nil {
		t.Error(err)
	}
	data = t.TempDir()
	if err := os.WriteFile(filepath.Join(data, name), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), data); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("beside a file: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(data, name)); err != nil || string(text) != "mine" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

// TestUnreachable: the error names each reason why no server answers.
func TestUnreachable(t *testing.T) {
	empty := t.TempDir()
	long := filepath.Join(empty, strings.Repeat("x", 100))
	if _, err := Listen(t.Context(), long); err == nil || !strings.Contains(err.Error(), "shorter path") {
		t.Errorf("a long path: %v", err)
	}
	canceled, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, x := range []struct {
		client Client
		ctx    context.Context
		says   string
	}{
		{Client{empty, filepath.Join(empty, "db")}, t.Context(), "not the data folder of a server"},
		{Client{long, ""}, t.Context(), "shorter path"},
		{client(t, t.TempDir()), t.Context(), "no server runs"},
		{serve(t, t.TempDir(), &fakeKeys{}), canceled, "does not answer"},
	} {
		if _, err := x.client.List(x.ctx); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", x.says, err)
		}
	}
	data := t.TempDir()
	l, err := Listen(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		_ = http.Serve(l, http.NotFoundHandler())
	}()
	if _, err := client(t, data).List(t.Context()); err == nil || !strings.Contains(err.Error(), "use the peal that the server runs") {
		t.Errorf("another program: %v", err)
	}
}

// pipes is a listener to which somebody always connects.
type pipes struct{ net.Listener }

func (pipes) Accept() (net.Conn, error) {
	c, _ := net.Pipe()
	return c, nil
}

// TestBounded: so many connections are served at once, and the next when one of them is closed.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limited{Listener: pipes{}, free: make(chan struct{}, most)}
		accepted := make(chan net.Conn, 2*most)
		go func() {
			for range most + 1 {
				c, err := l.Accept()
				if err != nil {
					t.Error(err)
				}
				accepted <- c
			}
		}()
		synctest.Wait()
		if len(accepted) != most {
			t.Errorf("%d connections are served at once", len(accepted))
		}
		c := <-accepted
		for range 2 { // The second time makes no more room.
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if len(accepted) != most || len(l.free) != most {
			t.Errorf("%d connections are served after one was closed", len(accepted))
		}
	})
}
