package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/protocol"
)

// reachPatience bounds Reach: people wait for it before they hear of a call.
const reachPatience = 5 * time.Second

// parseServer reads the address of a server. Its path stays, without a / at the end: a proxy
// may serve it below one.
func parseServer(address string) (*url.URL, error) {
	server, err := url.Parse(address)
	switch {
	case err != nil || server.Host == "" || server.Scheme != "http" && server.Scheme != "https":
		return nil, fmt.Errorf("server is %q: give its address, such as https://calls.example.com", address)
	case server.RawQuery != "" || server.ForceQuery || server.Fragment != "":
		return nil, fmt.Errorf("server is %q: give its address without ? and #, such as https://calls.example.com", address)
	}
	return server.JoinPath(), nil
}

// Reach asks for the WebSocket's path of a server, and says why no login there can succeed:
// the server is not reached, or something else answers. It needs no token. nil says that a
// login is worth trying.
func Reach(ctx context.Context, address string) error {
	server, err := parseServer(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reachPatience)
	defer cancel()
	at := strings.TrimSuffix(server.String(), "/") + protocol.Path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return unreached(server, err)
	}
	defer func() { _ = answer.Body.Close() }()
	// Whatever the answer says, its status is known.
	text, _ := io.ReadAll(io.LimitReader(answer.Body, answerBytes))
	return misled(server, answer, string(text))
}

// unreached says why there is no answer, and what to do.
func unreached(server *url.URL, err error) error {
	if speaksHTTP(err) {
		return fmt.Errorf("%s speaks plain HTTP: give http://%s%s, or have the server serve HTTPS", server, server.Host, server.Path)
	}
	return fmt.Errorf("%s: %s; %s", server, why(err), lowerFirst(whereToLook(err)))
}

// whereToLook is the advice for a server that does not answer.
func whereToLook(err error) string {
	switch {
	case nameUnknown(err):
		return "Correct the name in --server, or add it to DNS."
	case refusedConnection(err):
		return "Start peal serve where this address leads, correct the port in --server, and have it listen on an address that is reached from here: " +
			"127.0.0.1 is reached from the machine itself alone."
	}
	return "Correct --server, open its port in the firewall, and have peal serve listen on an address that is reached from here: " +
		"127.0.0.1 is reached from the machine itself alone."
}

func lowerFirst(text string) string { return strings.ToLower(text[:1]) + text[1:] }

// misled says what answers in place of a server.
func misled(server *url.URL, answer *http.Response, text string) error {
	status := answer.StatusCode
	switch {
	case status == http.StatusBadRequest && strings.Contains(text, "HTTP request to an HTTPS server"):
		return fmt.Errorf("%s speaks HTTPS: give https://%s%s", server, server.Host, server.Path)
	case status >= 300 && status < 400:
		return fmt.Errorf("%s sends elsewhere, to %s: give the address of the server itself", server, answer.Header.Get("Location"))
	case status == http.StatusNotFound:
		return fmt.Errorf("there is no Peal at %s: %s%s answers %s; correct the path of --server, or have the proxy pass %s to peal serve",
			server, server, protocol.Path, answer.Status, protocol.Path)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status >= 500:
		return fmt.Errorf("%s answers %s: look at the proxy in front of the server, and whether the server runs", server, answer.Status)
	case status < 300:
		return fmt.Errorf("%s%s answers %s, and not as Peal does: correct --server, or have the proxy pass %s to peal serve",
			server, protocol.Path, answer.Status, protocol.Path)
	}
	return nil
}
