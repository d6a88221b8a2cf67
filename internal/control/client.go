package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
)

// Client sends requests to the server that runs on a data folder.
type Client struct {
	// Data is the data folder, and Database the file that the data folder of a server with SQLite has.
	Data, Database string
}

// Make makes a key.
func (c Client) Make(ctx context.Context, name string, scopes []string) (Key, error) {
	keys, err := c.ask(ctx, http.MethodPost, "/keys", wish{name, scopes})
	if err != nil {
		return Key{}, err
	}
	if len(keys) != 1 {
		return Key{}, errors.New("the server answers without a key")
	}
	return keys[0], nil
}

// List lists the keys.
func (c Client) List(ctx context.Context) ([]Key, error) {
	return c.ask(ctx, http.MethodGet, "/keys", nil)
}

// Revoke revokes a key.
func (c Client) Revoke(ctx context.Context, id string) error {
	_, err := c.ask(ctx, http.MethodDelete, "/keys/"+url.PathEscape(id), nil)
	return err
}

// Inspect says in JSON what the node of the server holds: one call, or all where call is empty.
func (c Client) Inspect(ctx context.Context, call string) ([]byte, error) {
	said, err := c.exchange(ctx, http.MethodGet, "/state?call="+url.QueryEscape(call), nil)
	return said.State, err
}

func (c Client) ask(ctx context.Context, method, path string, body any) ([]Key, error) {
	said, err := c.exchange(ctx, method, path, body)
	return said.Keys, err
}

func (c Client) exchange(ctx context.Context, method, path string, body any) (said answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	socket, err := pathOf(c.Data)
	if err != nil {
		return said, err
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return said, fmt.Errorf("write request: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://peal"+path, bytes.NewReader(text))
	if err != nil {
		return said, fmt.Errorf("write request: %w", err)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	w, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return said, c.unreachable(err)
	}
	defer func() { _ = w.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(w.Body, answerBytes)).Decode(&said); err != nil {
		return said, fmt.Errorf("the server answers with status %d, and not as this version of peal expects: "+
			"use the peal that the server runs", w.StatusCode)
	}
	if said.Error != "" {
		return said, errors.New(said.Error)
	}
	return said, nil
}

// unreachable says why no server answers, and what to do.
func (c Client) unreachable(err error) error {
	_, missing := os.Stat(c.Database)
	switch {
	case errors.Is(missing, fs.ErrNotExist) && errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not the data folder of a server: give that by --data", c.Data)
	case errors.Is(missing, fs.ErrPermission), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data folder %s belongs to another user: run the command as the user of the server", c.Data)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no server runs on the data folder %s: start it, or give another --data", c.Data)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the server on %s does not answer within %s: look at its log", c.Data, timeout)
	}
	return fmt.Errorf("ask the server on %s: %w", c.Data, err)
}
