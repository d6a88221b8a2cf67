package relay

import (
	"log/slog"

	"github.com/pion/logging"
)

// quiet keeps the library's texts out of the log: they hold the names of users
// and the addresses of clients and peers. That something went wrong is logged,
// for debugging alone, since anybody can cause it with one malformed datagram.
type quiet struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (q quiet) NewLogger(string) logging.LeveledLogger { return q }

func (q quiet) Trace(string)          {}
func (q quiet) Tracef(string, ...any) {}
func (q quiet) Debug(string)          {}
func (q quiet) Debugf(string, ...any) {}
func (q quiet) Info(string)           {}
func (q quiet) Infof(string, ...any)  {}
func (q quiet) Warn(string)           { q.log.Debug("relay refused a request") }
func (q quiet) Warnf(string, ...any)  { q.log.Debug("relay refused a request") }
func (q quiet) Error(string)          { q.log.Debug("relay could not serve a request") }
func (q quiet) Errorf(string, ...any) { q.log.Debug("relay could not serve a request") }
