package chaos_test

import (
	"context"
	"database/sql"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // The driver "sqlite".

	"github.com/peal-rtc/peal/internal/auth"
)

// place is where servers run: one alone, or the nodes of a cluster.
type place interface {
	// dial opens a connection to a server, and says which it is.
	dial(context.Context) (net.Conn, *server, error)
	// deliverer is the server that a webhook comes from, by its address.
	deliverer(remote string) *server
	// servers are all that run here, also those that are dead.
	servers() []*server
	// open opens the database for the audit. No server writes to it any more.
	open(*testing.T) *sql.DB
}

// single is a server alone, with SQLite.
type single struct{ *server }

func (s single) dial(ctx context.Context) (net.Conn, *server, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	return c, s.server, err
}

func (s single) deliverer(string) *server { return s.server }

func (s single) servers() []*server { return []*server{s.server} }

func (s single) open(t *testing.T) *sql.DB {
	t.Helper()
	s.kill() // It holds the lock.
	db, err := sql.Open("sqlite", filepath.Join(s.data, "peal.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// issuer makes the tokens of phones, and remembers them.
type issuer struct {
	signer *auth.Signer

	mu     sync.Mutex // Guards tokens.
	tokens []string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	signer, err := auth.NewSigner(auth.Keys{"main": auth.Secret(secret)}, "main")
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{signer: signer}
}

// token is for a device of an account.
func (i *issuer) token(account string) (string, error) {
	token, err := i.signer.Sign(account, time.Hour, time.Now())
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tokens = append(i.tokens, token)
	return token, err
}
