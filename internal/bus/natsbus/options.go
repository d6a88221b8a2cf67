package natsbus

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// reconnectWait is how long a member waits before it tries all servers again.
	reconnectWait = 200 * time.Millisecond
	// pingEvery is how often a member asks its server whether it is there. A second question
	// without an answer ends the connection.
	pingEvery = 2 * time.Second
	pingsMost = 2
	// dialMost and writeMost are how long connecting to one server and writing to it may take.
	dialMost  = 2 * time.Second
	writeMost = 2 * time.Second
)

// clusters are the names that are a word of a subject.
var clusters = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// settings are the options that a URL may have after a question mark, each the path of a file.
type settings struct{ creds, nkey, ca, cert, key string }

// parse takes a URL apart: servers, separated by commas, and options. Its errors do not show the
// URL, which may hold a password.
func parse(from string) (servers string, s settings, err error) {
	servers, query, _ := strings.Cut(from, "?")
	for server := range strings.SplitSeq(servers, ",") {
		u, err := url.Parse(server)
		switch {
		case err != nil:
			return "", s, errors.New("the URL of the bus is not one: percent-encode what is special in its password")
		case !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) || u.Hostname() == "":
			return "", s, errors.New("the URL of the bus must be nats://HOST:PORT, or tls:// for TLS alone; commas separate several")
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", s, errors.New("the options after the ? in the URL of the bus cannot be read")
	}
	for name, value := range values {
		file := map[string]*string{"creds": &s.creds, "nkey": &s.nkey, "ca": &s.ca, "cert": &s.cert, "key": &s.key}[name]
		if file == nil || len(value) != 1 {
			return "", s, fmt.Errorf("option %q in the URL of the bus: want creds, nkey, ca, cert or key, once each", name)
		}
		if _, err := os.ReadFile(value[0]); err != nil {
			return "", s, fmt.Errorf("option %s in the URL of the bus: %w", name, err)
		}
		*file = value[0]
	}
	if (s.cert == "") != (s.key == "") {
		return "", s, errors.New("the URL of the bus needs cert and key together")
	}
	return servers, s, nil
}

// options are those of every connection.
func (s settings) options() ([]nats.Option, error) {
	list := []nats.Option{
		nats.Name("peal"),
		nats.NoEcho(),
		// What cannot be sent at once is lost: the node asks the store for it.
		nats.ReconnectBufSize(-1),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.RetryOnFailedConnect(true),
		// Credentials that are refused may be good later.
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(pingsMost),
		nats.Timeout(dialMost),
		nats.FlusherTimeout(writeMost),
	}
	if s.creds != "" {
		list = append(list, nats.UserCredentials(s.creds))
	}
	if s.nkey != "" {
		option, err := nats.NkeyOptionFromSeed(s.nkey)
		if err != nil {
			return nil, fmt.Errorf("option nkey in the URL of the bus: %w", err)
		}
		list = append(list, option)
	}
	if s.ca != "" {
		list = append(list, nats.RootCAs(s.ca))
	}
	if s.cert != "" {
		list = append(list, nats.ClientCert(s.cert, s.key))
	}
	return list, nil
}
