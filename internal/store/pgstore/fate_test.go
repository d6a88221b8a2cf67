package pgstore

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestFate(t *testing.T) {
	server := func(severity, code string) error {
		return fmt.Errorf("commit: %w", &pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: severity, Code: code})
	}
	for _, test := range []struct {
		err  error
		want fate
	}{
		{server("ERROR", "40P01"), contended},
		{server("ERROR", "40001"), contended},
		{server("ERROR", "55P03"), contended},
		{server("ERROR", "25006"), away},
		{server("ERROR", "57P03"), away},
		{server("ERROR", "53300"), away},
		{server("ERROR", "23505"), contended},
		{server("ERROR", "57014"), defect},
		{server("ERROR", "53100"), defect},
		{server("FATAL", "57P01"), unknown},
		{server("FATAL", "53300"), unknown}, // Unless it is part of a ConnectError.
		{server("PANIC", "XX000"), unknown},
		{io.ErrUnexpectedEOF, unknown},
		{context.DeadlineExceeded, unknown},
		{notSent{context.DeadlineExceeded}, away},
		{fmt.Errorf("acquire: %w", &pgconn.ConnectError{}), away},
	} {
		if got := fateOf(test.err); got != test.want {
			t.Errorf("%#v is %d, want %d", test.err, got, test.want)
		}
	}
}
