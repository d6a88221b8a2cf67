package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	// DefaultTries is how often a request is sent at most, unless Config says otherwise.
	DefaultTries = 4
	// DefaultMaxWait is the longest pause before a request is sent again, unless Config says
	// otherwise.
	DefaultMaxWait = 10 * time.Second

	// firstWait doubles with each try, where the server asks for no pause.
	firstWait = 250 * time.Millisecond
	// answerTimeout is for one try with all of its answer. The server takes 10 s at most, and
	// eraseTimeout for an erasure, for which it takes 2 minutes.
	answerTimeout = 30 * time.Second
	eraseTimeout  = 150 * time.Second
	// answerBytes bounds what one answer may have: a page of 500 calls whose attachments have 4 KiB
	// each is below 4 MiB.
	answerBytes = 16 << 20
)

// Config says which server to ask. URL and Key are required.
type Config struct {
	// URL is the address of the server, such as https://calls.example.com. It may have a path,
	// where a proxy serves Peal below one.
	URL string
	// Key is the whole key: peal_sk_ID_SECRET.
	Key string
	// Tries is how often a request is sent at most. Zero means DefaultTries, and 1 sends it once.
	Tries int
	// MaxWait bounds the pause before a request is sent again. A server that asks for more gets no
	// further try: the error has its Wait. Zero means DefaultMaxWait.
	MaxWait time.Duration
	// HTTP sends the requests. Nil means a client with the system's proxy settings, and 30 s for
	// one try, or 150 s for one of Erase. A client that is given has its own Timeout. Redirects are never followed: the
	// key would go to another address.
	HTTP *http.Client
}

// Client asks one server with one key.
type Client struct {
	base    string // Without a slash at its end.
	key     string
	tries   int
	maxWait time.Duration
	http    http.Client
	erasing http.Client // Sends erasures.
}

// wholeKey is the form of a key. The server knows whether it is a good one.
var wholeKey = regexp.MustCompile(`^peal_sk_[A-Za-z0-9-]{1,64}_[A-Za-z0-9_-]{43}$`)

// New makes a client. It sends nothing. Its errors do not show the key.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	switch {
	case err != nil:
		return nil, errors.New("admin: Config.URL is no URL: give the address of the server, such as https://calls.example.com")
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("admin: Config.URL is %.200q: give an address with http or https and nothing after the path, such as https://calls.example.com", base.Redacted())
	case !wholeKey.MatchString(cfg.Key):
		return nil, fmt.Errorf("admin: Config.Key has %d bytes and is no API key: give the whole peal_sk_ID_SECRET, without blanks", len(cfg.Key))
	case cfg.Tries < 0 || cfg.MaxWait < 0:
		return nil, fmt.Errorf("admin: Config.Tries is %d and MaxWait %s: give positive values, or 0 for the usual ones", cfg.Tries, cfg.MaxWait)
	}
	c := &Client{
		base: strings.TrimSuffix(base.String(), "/") + "/api/v1", key: cfg.Key, tries: cfg.Tries, maxWait: cfg.MaxWait,
		http: http.Client{Timeout: answerTimeout},
	}
	if c.tries == 0 {
		c.tries = DefaultTries
	}
	if c.maxWait == 0 {
		c.maxWait = DefaultMaxWait
	}
	if cfg.HTTP != nil {
		c.http = *cfg.HTTP
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.erasing = c.http; cfg.HTTP == nil {
		c.erasing.Timeout = eraseTimeout
	}
	return c, nil
}
