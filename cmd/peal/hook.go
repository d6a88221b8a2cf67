package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/internal/webhook"
)

// hookCommands are about webhooks.
type hookCommands struct {
	Listen hookListenCommand `cmd:"" help:"Receive events at this terminal: check their signatures and show them."`
}

// hookListenCommand is a receiver of webhooks.
type hookListenCommand struct {
	Addr   string   `default:"127.0.0.1:7380" placeholder:"HOST:PORT" help:"Address to listen on for HTTP (${default}); port 0 for any free one."`
	Secret []string `placeholder:"whsec_..." env:"PEAL_WEBHOOK_SECRET" help:"Secret of the endpoint; two during a rotation. Others on the machine can read flags: use the environment. Without a secret the command checks no signatures."`
	JSON   bool     `name:"json" help:"Show the JSON of each event, on one line."`
}

// Help implements kong.HelpProvider.
func (hookListenCommand) Help() string {
	return `Give its address to a server as the URL of an endpoint, and give the secret of the server's answer to
this command. The command does what every receiver must do. It checks the signature over the bytes of the body. It
refuses requests that are older than 5 minutes. It answers at once. It recognizes a repeated event by its id.

Examples:
  peal hook listen
  PEAL_WEBHOOK_SECRET=whsec_... peal hook listen --addr 127.0.0.1:9000 --json`
}

const (
	// hookBytes is the largest request that is read. Events have 16 KiB at most, unless the server
	// takes large attachments.
	hookBytes = 1 << 20
	// hookMemory is how many ids are kept to tell repeats.
	hookMemory = 10000
)

// Run receives until a signal comes.
func (c *hookListenCommand) Run(std streams) error {
	secrets := make([]webhook.Secret, len(c.Secret))
	for i, text := range c.Secret {
		secret, err := webhook.ParseSecret(text)
		if err != nil {
			return misuse{fmt.Errorf("--secret: %w", err)}
		}
		secrets[i] = secret
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return misuse{fmt.Errorf("--addr is %q: give HOST:PORT, such as 127.0.0.1:7380", c.Addr)}
	}
	ctx, _, stop := withTerminal()
	defer stop()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("address %s is in use: stop what listens there or give another --addr", c.Addr)
	}
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return (&hookReceiver{std: std, secrets: secrets, json: c.JSON}).serve(ctx, l)
}

// hookReceiver shows events. Requests come at the same time.
type hookReceiver struct {
	std     streams
	secrets []webhook.Secret
	json    bool

	mu   sync.Mutex // Guards what follows, and the output.
	seen map[string]bool
	ids  []string // Those of seen, the oldest first.
}

// serve receives until ctx ends.
func (h *hookReceiver) serve(ctx context.Context, l net.Listener) error {
	h.seen = make(map[string]bool)
	server := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	h.say("Listening for webhooks at http://%s/. Ctrl+C ends it.", l.Addr())
	if len(h.secrets) == 0 {
		h.say("Signatures are not checked: give the endpoint's secret by PEAL_WEBHOOK_SECRET. " +
			"A server shows it when the endpoint is made, and not again: rotate it to see another.")
	}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// say tells people something, apart from what programs read.
func (h *hookReceiver) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _ = fmt.Fprintf(h.std.err, format+"\n", args...)
}

// ServeHTTP receives one event.
func (h *hookReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "send events by POST", http.StatusMethodNotAllowed)
		return
	}
	// The signature is over these bytes. To decode and encode them again would change them.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, hookBytes))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	if err := h.verify(r.Header, body); err != nil {
		h.say("refused: %v", err)
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	h.show(r.Header.Get(webhook.IDHeader), body)
	// Any 2xx says that the event is here. A receiver with more to do answers first.
	w.WriteHeader(http.StatusNoContent)
}

// verify looks for a signature by one of the secrets.
func (h *hookReceiver) verify(header http.Header, body []byte) error {
	var err error
	for _, secret := range h.secrets {
		if err = secret.Verify(header, body, time.Now()); err == nil {
			return nil
		}
	}
	return err
}

// hookEvent is what a line shows of an event.
type hookEvent struct {
	Type string `json:"type"`
	Data struct {
		Call struct {
			CallID  string `json:"callId"`
			Rev     int    `json:"rev"`
			State   string `json:"state"`
			Reason  string `json:"reason"`
			Unheard bool   `json:"unheard"`
			Parties []struct {
				Account string `json:"account"`
			} `json:"parties"`
		} `json:"call"`
	} `json:"data"`
}

func (h *hookReceiver) show(id string, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	again := h.repeated(id)
	if h.json {
		_, _ = fmt.Fprintln(h.std.out, strings.Join(strings.Split(strings.TrimSpace(string(body)), "\n"), " "))
		return
	}
	var e hookEvent
	if err := json.Unmarshal(body, &e); err != nil {
		_, _ = fmt.Fprintf(h.std.out, "%q is no event: %q\n", id, body)
		return
	}
	c := &e.Data.Call
	words := []string{time.Now().Format(time.TimeOnly), fmt.Sprintf("%-18s", e.Type), id}
	var accounts []string
	for _, p := range c.Parties {
		accounts = append(accounts, fmt.Sprintf("%q", p.Account))
	}
	if c.CallID != "" { // A test is about no call.
		words = append(words, c.CallID, fmt.Sprintf("rev %d", c.Rev), strings.Join(accounts, " and "))
	}
	if c.Reason != "" {
		words = append(words, c.Reason)
	}
	if c.Unheard {
		words = append(words, "(unheard: the callee blocks the caller)")
	}
	if again {
		words = append(words, "(again)")
	}
	_, _ = fmt.Fprintln(h.std.out, printable(strings.Join(words, "  ")))
}

// printable keeps what a stranger sent from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// repeated says whether an event came before: its answer may have been lost. The caller holds
// mu.
func (h *hookReceiver) repeated(id string) bool {
	if h.seen[id] {
		return true
	}
	h.seen[id] = true
	if h.ids = append(h.ids, id); len(h.ids) > hookMemory {
		delete(h.seen, h.ids[0])
		h.ids = slices.Delete(h.ids, 0, 1)
	}
	return false
}
