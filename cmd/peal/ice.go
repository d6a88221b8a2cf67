package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// iceCommand asks a server for ICE servers, as a device in a call gets them.
type iceCommand struct {
	Who account `embed:""`
}

// Help implements kong.HelpProvider.
func (iceCommand) Help() string {
	return `They are printed as JSON, in the form that RTCPeerConnection and most tools take. The credentials
are good for an hour.

Examples:
  peal ice --server http://127.0.0.1:7325 --account alice
  PEAL_TOKEN=$(peal token --account alice) peal ice --server https://calls.example.com`
}

// iceTime is for asking the server.
const iceTime = 10 * time.Second

// Run prints the list.
func (c *iceCommand) Run(std streams) error {
	ctx, cancel := context.WithTimeout(context.Background(), iceTime)
	defer cancel()
	token, err := c.Who.token(ctx)
	if err != nil {
		return err
	}
	var answer struct {
		ICEServers json.RawMessage `json:"iceServers"`
	}
	if err := post(ctx, c.Who.address()+"/v1/ice-servers", token, nil, &answer); err != nil {
		return explain(ctx, c.Who.Server, err)
	}
	_, err = fmt.Fprintln(std.out, string(answer.ICEServers))
	return err
}

// refusal is what a server answers in place of what it was asked for.
type refusal struct {
	url    string
	status int
	says   string
}

func (r *refusal) Error() string { return r.url + ": " + r.says }

// post asks a server for something.
func post(ctx context.Context, url, token string, body []byte, answer any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(got.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if got.StatusCode != http.StatusOK {
		var failure struct {
			Error struct{ Code, Message string }
		}
		if json.Unmarshal(text, &failure) == nil && failure.Error.Code != "" {
			return &refusal{url, got.StatusCode, failure.Error.Message}
		}
		return &refusal{url, got.StatusCode, got.Status}
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s: this is no answer of Peal: %w", url, err)
	}
	return nil
}
