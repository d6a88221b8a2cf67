package ws

import (
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// upgradeTime is how long a client may take to read the answer.
const upgradeTime = 5 * time.Second

// upgrade makes a WebSocket of a request, without extensions: nothing is ever
// compressed. Some clients do not wait for the answer: early is what they sent. Where
// it fails the request has been answered.
func upgrade(w http.ResponseWriter, r *http.Request, subprotocol string) (socket net.Conn, early []byte, err error) {
	// The library looks at the first line alone; some proxies make two.
	r.Header.Set("Connection", strings.Join(r.Header.Values("Connection"), ", "))
	u := ws.HTTPUpgrader{Timeout: upgradeTime, Protocol: func(offered string) bool { return offered == subprotocol }}
	socket, buffers, _, err := u.Upgrade(r, w)
	if err != nil {
		if socket != nil {
			_ = socket.Close()
		}
		return nil, nil, err
	}
	if n := buffers.Reader.Buffered(); n > 0 {
		early, _ = buffers.Reader.Peek(n)
	}
	return socket, early, nil
}

// spoken is the subprotocol that is spoken with a client, as it spells it: the
// best that it offers.
func spoken(r *http.Request) (subprotocol string, ok bool) {
	offered := strings.Split(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ",")
	for _, ours := range protocol.Subprotocols() {
		for _, theirs := range offered {
			if theirs = strings.TrimSpace(theirs); strings.EqualFold(ours, theirs) {
				return theirs, true
			}
		}
	}
	return "", false
}

// mayConnect says whether a page of that origin may connect: one of the server's
// own, or one that is listed. Only browsers send an origin.
func mayConnect(r *http.Request, listed []string) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || len(listed) == 0 {
		return true
	}
	page, err := url.Parse(origin)
	if err != nil {
		return false
	}
	if strings.EqualFold(page.Host, r.Host) {
		return true
	}
	for _, pattern := range listed {
		name := page.Host
		if strings.Contains(pattern, "://") {
			name = page.Scheme + "://" + page.Host
		}
		// The address of IPv6 is no pattern, and a pattern that is none matches nothing.
		if strings.EqualFold(pattern, name) {
			return true
		}
		if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name)); ok && err == nil {
			return true
		}
	}
	return false
}

// refuse answers a request that does not become a connection, in the form that
// errors have on one.
func refuse(w http.ResponseWriter, status int, e *pealv1.Error) {
	text, err := protocol.Encode(&pealv1.ServerFrame{Error: e})
	if err != nil {
		http.Error(w, e.Message, status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
