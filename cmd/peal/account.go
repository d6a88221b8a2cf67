package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/peal-rtc/peal/internal/doctor"
)

// account is how a command says at which server it is whom.
type account struct {
	Server  string `required:"" placeholder:"URL" env:"PEAL_SERVER" help:"Address of the server, such as https://calls.example.com."`
	Account string `placeholder:"NAME" help:"Account to log in as at a server of peal dev, which gives anyone a token."`
	Token   string `placeholder:"TOKEN" env:"PEAL_TOKEN" help:"Token of the account, at any other server; see peal token."`
}

func (a *account) address() string { return strings.TrimRight(a.Server, "/") }

// checkServer refuses what is no address of a server.
func checkServer(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return misuse{fmt.Errorf("server is %q: give an address such as http://%s", address, devAddr)}
	}
	return nil
}

// check refuses what cannot work, whatever the server says.
func (a *account) check() error {
	if err := checkServer(a.Server); err != nil {
		return err
	}
	if a.Token == "" && a.Account == "" {
		return misuse{errors.New("give --account (peal dev) or --token")}
	}
	return nil
}

// token gives the token, or asks a peal dev for one.
func (a *account) token(ctx context.Context) (string, error) {
	if err := a.check(); err != nil {
		return "", err
	}
	if a.Token != "" {
		return a.Token, nil
	}
	return devToken(ctx, a.Server, a.Account, "--token")
}

// devToken asks a peal dev for a token. Another server has none to give: the error says which
// setting it needs instead.
func devToken(ctx context.Context, server, account, instead string) (string, error) {
	body, err := json.Marshal(map[string]string{"account": account})
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	err = post(ctx, strings.TrimRight(server, "/")+"/dev/token", "", body, &answer)
	err = explain(ctx, server, err)
	if missing(err) {
		return "", fmt.Errorf("%w; a server that is no peal dev needs %s", err, instead)
	}
	return answer.Token, err
}

// missing says whether there is nothing at the address that was asked.
func missing(err error) bool {
	var refused *refusal
	return errors.As(err, &refused) && refused.status == http.StatusNotFound
}

// explain puts what keeps the commands from a server in place of an error that only tells
// that a request failed. A server that answers has said itself what is wrong.
func explain(ctx context.Context, server string, err error) error {
	var refused *refusal
	if err == nil || errors.As(err, &refused) && !missing(err) {
		return err
	}
	if cause := doctor.Reach(ctx, server); cause != nil {
		return cause
	}
	return err
}
