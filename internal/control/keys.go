package control

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Key is an API key as it is listed.
type Key struct {
	ID      string    `json:"id"`
	Scopes  []string  `json:"scopes"`
	Created time.Time `json:"created,omitzero"`
	// Used is the time of its last use, to the minute.
	Used    time.Time `json:"used,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
	// Fixed says that it is a key of the settings, and not of the store.
	Fixed bool `json:"fixed,omitempty"`
	// Secret is the whole key. Only the answer that makes the key has it.
	Secret string `json:"secret,omitempty"`
}

// Keys are the API keys of a server. Errors say what to do.
type Keys interface {
	// Make makes a key whose id is the name, or follows from it.
	Make(ctx context.Context, name string, scopes []string) (Key, error)
	List(ctx context.Context) ([]Key, error)
	Revoke(ctx context.Context, id string) error
}

// wish describes a key to make.
type wish struct {
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
}

// Inspect says in JSON what a node holds: one call, or all where call is empty.
type Inspect func(ctx context.Context, call string) ([]byte, error)

// answer is the body of every answer.
type answer struct {
	Keys  []Key           `json:"keys,omitempty"`
	State json.RawMessage `json:"state,omitempty"`
	Error string          `json:"error,omitempty"`
}

// NewServer makes what answers commands, at a socket of Listen.
func NewServer(keys Keys, inspect Inspect, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /keys", func(w http.ResponseWriter, r *http.Request) {
		var new wish
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytes))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&new); err != nil {
			reply(w, nil, fmt.Errorf("the server does not understand the command, which may be of another version of peal: %w", err))
			return
		}
		key, err := keys.Make(r.Context(), new.Name, new.Scopes)
		reply(w, []Key{key}, err)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		list, err := keys.List(r.Context())
		reply(w, list, err)
	})
	mux.HandleFunc("DELETE /keys/{id}", func(w http.ResponseWriter, r *http.Request) {
		reply(w, nil, keys.Revoke(r.Context(), r.PathValue("id")))
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) {
		state, err := inspect(r.Context(), r.URL.Query().Get("call"))
		respond(w, answer{State: state}, err)
	})
	server := &http.Server{
		Handler: mux, ReadTimeout: timeout, WriteTimeout: timeout, IdleTimeout: time.Second, MaxHeaderBytes: bodyBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	server.SetKeepAlivesEnabled(false)
	return server
}

func reply(w http.ResponseWriter, keys []Key, failed error) { respond(w, answer{Keys: keys}, failed) }

func respond(w http.ResponseWriter, body answer, failed error) {
	w.Header().Set("Content-Type", "application/json")
	if failed != nil {
		body = answer{Error: failed.Error()}
		w.WriteHeader(http.StatusConflict)
	}
	// This fails only where the client has gone.
	_ = json.NewEncoder(w).Encode(body)
}
