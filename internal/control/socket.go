// Package control lets commands send requests to the server that runs on a data folder, by a socket in
// that folder, which only the owner can open. While a server runs it locks the database, so a command
// cannot write to it.
//
// internal/server serves the socket, and cmd/peal is the client. Requests are few and small: HTTP with
// JSON. Several goroutines may use everything here.
package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

const (
	// name is that of the socket in the data folder.
	name = "peal.sock"
	// most limits the connections that are served at once. Others wait.
	most = 8
	// timeout bounds one request and its answer, on both sides.
	timeout = 10 * time.Second
	// bodyBytes bounds the body of a request.
	bodyBytes = 4 << 10
	// answerBytes bounds that of an answer.
	answerBytes = 1 << 20
)

// pathMost is the longest path that a socket may have: systems have one more byte, for the final zero.
func pathMost() int {
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		return 107
	}
	return 103
}

// pathOf is the socket of a data folder, where its path is not too long.
func pathOf(data string) (string, error) {
	path := filepath.Join(data, name)
	if len(path) > pathMost() {
		return "", fmt.Errorf("the path of the socket %s has %d bytes, and a socket may have %d: "+
			"give the data folder by a shorter path, such as a relative one or a symbolic link, to the server and to the command",
			path, len(path), pathMost())
	}
	return path, nil
}

// Served says whether a server runs on a data folder. One that starts or stops at this moment may
// escape it.
func Served(ctx context.Context, data string) bool {
	path, err := pathOf(data)
	if err != nil {
		return false
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// Listen opens the socket of a data folder. No other server runs on the folder, so a socket that
// exists was left by a killed server.
func Listen(ctx context.Context, data string) (net.Listener, error) {
	path, err := pathOf(data)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("look for a socket: %w", err)
	case info.Mode().IsRegular() || info.IsDir():
		return nil, fmt.Errorf("%s is no socket: move it away, so that the command peal key can reach the server", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket of a server that was killed: %w", err)
		}
	}
	config := net.ListenConfig{Control: private}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("keep the socket to its owner: %w", err), l.Close())
	}
	return &limited{Listener: l, free: make(chan struct{}, most)}, nil
}

// limited is a listener with a limit of connections at once.
type limited struct {
	net.Listener
	free chan struct{}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: c, done: func() { <-l.free }}, nil
}
