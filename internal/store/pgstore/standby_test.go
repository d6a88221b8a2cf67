package pgstore_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// stream makes a server see a standby that streams, as long as the test lasts.
func stream(t *testing.T, url string) {
	t.Helper()
	var at string
	session(t, url, func(conn *pgx.Conn) error {
		return conn.QueryRow(t.Context(), `SELECT pg_current_wal_flush_lsn()`).Scan(&at)
	})
	config, err := pgconn.ParseConfig(url + "&replication=true&application_name=standby")
	if err != nil {
		t.Fatal(err)
	}
	standby, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Close(context.Background()) }) // It is in the midst of a stream.
	standby.Frontend().Send(&pgproto3.Query{String: "START_REPLICATION PHYSICAL " + at})
	if err := standby.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		message, err := standby.Frontend().Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch message := message.(type) {
		case *pgproto3.ErrorResponse:
			t.Fatal(message.Message)
		case *pgproto3.CopyData: // The first one comes when it has caught up.
			return
		}
	}
}
