package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/peal-rtc/peal/internal/protocol"
)

// readBytes bounds one message of the server: a welcome with all its calls.
const readBytes = 1 << 20

// failure is an error as the server words it.
type failure struct{ Code, Message string }

// dial opens the WebSocket as a page of some origin would.
func (r *run) dial(ctx context.Context) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(ctx, r.at(protocol.Path), &websocket.DialOptions{
		HTTPClient:   r.http,
		HTTPHeader:   http.Header{"Origin": {r.origin()}},
		Subprotocols: []string{protocol.Subprotocol},
	})
}

func (r *run) checkWebSocket(ctx context.Context) Result {
	if !r.up {
		return notChecked("the server does not answer")
	}
	ctx, cancel := r.wait(ctx)
	defer cancel()
	socket, answer, err := r.dial(ctx)
	if err != nil {
		return r.whyNoSocket(answer, err)
	}
	defer func() { _ = socket.CloseNow() }()
	if socket.Subprotocol() != protocol.Subprotocol {
		return bad(Failed, "the WebSocket at %s speaks no %s", protocol.Path, protocol.Subprotocol).
			mend("Have the proxy pass the header Sec-WebSocket-Protocol, both ways.", "the proxy's headers")
	}
	return ok("%s opens, and speaks %s", protocol.Path, protocol.Subprotocol)
}

// whyNoSocket reads the answer to a handshake that was refused.
func (r *run) whyNoSocket(answer *http.Response, err error) Result {
	const pass = `Have the proxy pass WebSockets: HTTP/1.1 with the headers Upgrade and Connection. For nginx: ` +
		`proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`
	if answer == nil {
		return bad(Failed, "no WebSocket at %s: %s", protocol.Path, why(err)).mend(pass, "the proxy's headers")
	}
	switch answer.StatusCode {
	case http.StatusForbidden:
		return bad(Failed, "the server refuses pages of %s", r.origin()).
			mend("Add it to --origins, or leave that out: tokens are what protects. A page of the server's own address is refused "+
				"when the proxy in front changes the header Host.", "--origins")
	case http.StatusUpgradeRequired, http.StatusOK:
		return bad(Failed, "the request for a WebSocket reaches the server without its header Upgrade").mend(pass, "the proxy's headers")
	case http.StatusNotFound:
		return bad(Failed, "there is nothing at %s", r.at(protocol.Path)).
			mend("Have the proxy pass that path to peal serve.", "the proxy's paths")
	case http.StatusTooManyRequests:
		return bad(Failed, "too many connections from this address wait for their login").
			mend("Where a proxy is in front, name it by --trusted-proxies, so that clients count by their own addresses.",
				"--trusted-proxies", "--limits-sockets-per-addr")
	}
	return bad(Failed, "the WebSocket is refused: %s", answer.Status).mend(pass, "the proxy's headers")
}

// checkToken gets a token where none was given, and logs in with it.
func (r *run) checkToken(ctx context.Context) Result {
	if !r.up {
		return notChecked("the server does not answer")
	}
	token := r.cfg.Token
	if token == "" {
		var refusal *Result
		if token, refusal = r.devToken(ctx); refusal != nil {
			return *refusal
		}
		r.dev = true
	} else if r.distrusted && !r.cfg.Insecure {
		return notChecked("the token is not shown to a server whose certificate is not trusted; --insecure does it all the same")
	}
	if result := r.login(ctx, token); result.State != OK {
		return result
	}
	if refusal := r.iceServers(ctx, token); refusal != nil {
		return *refusal
	}
	r.token = token
	return ok("accepted: %s", r.describe(token))
}

// devToken asks for a token as the demo page does.
func (r *run) devToken(ctx context.Context) (string, *Result) {
	body, err := json.Marshal(map[string]string{"account": r.cfg.Account})
	if err != nil {
		panic(fmt.Sprintf("encode a name: %v", err)) // A string has a text.
	}
	answer, text, err := r.ask(ctx, http.MethodPost, "/dev/token", "", body)
	var given struct {
		Token string
		Error failure
	}
	switch {
	case err != nil:
		result := bad(Failed, "no token: %s", why(err)).mend("Run peal doctor again.")
		return "", &result
	case answer.StatusCode == http.StatusOK && json.Unmarshal(text, &given) == nil && given.Token != "":
		return given.Token, nil
	case answer.StatusCode == http.StatusBadRequest && json.Unmarshal(text, &given) == nil:
		result := bad(Failed, "no token for %q: %s", r.cfg.Account, given.Error.Message).
			mend("Give another account.", "--account (of peal doctor)")
		return "", &result
	case answer.StatusCode == http.StatusForbidden && json.Unmarshal(text, &given) == nil:
		result := bad(Failed, "no token: %s", given.Error.Message).
			mend("Give the address that peal dev prints.", "--server (of peal doctor)")
		return "", &result
	}
	result := notChecked("no token is given, and this server gives none to just anybody").
		mend(`Give one: PEAL_TOKEN=$(PEAL_SECRET=… peal token --account doctor) peal doctor ….`, "--token (of peal doctor)")
	return "", &result
}

// login says hello as a new device, and leaves.
func (r *run) login(ctx context.Context, token string) Result {
	ctx, cancel := r.wait(ctx)
	defer cancel()
	socket, _, err := r.dial(ctx)
	if err != nil {
		return notChecked("the WebSocket does not open")
	}
	defer func() { _ = socket.Close(websocket.StatusNormalClosure, "") }()
	socket.SetReadLimit(readBytes)
	hello, err := json.Marshal(map[string]any{"id": 1, "hello": map[string]any{
		"token": token, "deviceId": "doctor-" + rand.Text(), "fresh": true, "client": "peal-doctor",
	}})
	if err != nil {
		panic(fmt.Sprintf("encode hello: %v", err)) // Strings have a text.
	}
	if err := socket.Write(ctx, websocket.MessageText, hello); err != nil {
		return bad(Failed, "the WebSocket opens, and takes no message: %s", why(err)).
			mend("Have the proxy pass WebSockets both ways, without a buffer.", "the proxy's headers")
	}
	_, text, err := socket.Read(ctx)
	if err != nil {
		return bad(Failed, "the login has no answer: %s", why(err)).
			mend("Have the proxy pass WebSockets both ways, without a buffer.", "the proxy's headers")
	}
	var answer struct {
		Welcome json.RawMessage
		Error   failure
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Welcome == nil && answer.Error.Code == "" {
		return bad(Failed, "the answer to the login is not Peal's").mend("Have the proxy pass /ws to peal serve.", "the proxy's paths")
	}
	if answer.Welcome == nil {
		return r.whyRefused(token, answer.Error)
	}
	// Its device is to be gone at once; if not, the server finds out by itself.
	_ = socket.Write(ctx, websocket.MessageText, []byte(`{"id":2,"logout":{}}`))
	return ok("")
}

// iceServers asks for what a device in a call is given.
func (r *run) iceServers(ctx context.Context, token string) *Result {
	answer, text, err := r.ask(ctx, http.MethodPost, "/v1/ice-servers", token, nil)
	var given struct {
		ICEServers []iceServer `json:"iceServers"`
	}
	var result Result
	switch {
	case err != nil:
		result = bad(Failed, "/v1/ice-servers: %s", why(err)).mend("Run peal doctor again.")
	case answer.StatusCode != http.StatusOK:
		result = bad(Failed, "/v1/ice-servers answers %s", answer.Status).
			mend("Have the proxy pass /v1/ to peal serve, with the header Authorization.", "the proxy's paths")
	case json.Unmarshal(text, &given) != nil:
		result = bad(Failed, "/v1/ice-servers answers, and not as Peal does").
			mend("Have the proxy pass /v1/ to peal serve.", "the proxy's paths")
	default:
		r.ice = given.ICEServers
		return nil
	}
	return &result
}

func (r *run) describe(token string) string {
	c := claimsOf(token)
	return fmt.Sprintf("%s, key %q, good for another %s", c.Account, c.KeyID, time.Until(c.expires).Round(time.Minute))
}
