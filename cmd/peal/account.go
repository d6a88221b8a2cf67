package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// account is how a command says at which server it is whom.
type account struct {
	Server  string `required:"" placeholder:"URL" env:"PEAL_SERVER" help:"Address of the server, such as https://calls.example.com."`
	Account string `placeholder:"NAME" help:"Account to be, at a peal dev, which gives a token to anyone."`
	Token   string `placeholder:"TOKEN" env:"PEAL_TOKEN" help:"Token of the account, at any other server; see peal token."`
}

func (a *account) address() string { return strings.TrimRight(a.Server, "/") }

// checkServer refuses what is no address of a server.
func checkServer(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return misuse{fmt.Errorf("server is %q: give an address such as http://%s", address, devAddr)}
	}
	return nil
}

// token gives the token, or asks a peal dev for one.
func (a *account) token(ctx context.Context) (string, error) {
	if err := checkServer(a.Server); err != nil {
		return "", err
	}
	switch {
	case a.Token != "":
		return a.Token, nil
	case a.Account == "":
		return "", misuse{errors.New("give --account (peal dev) or --token")}
	}
	return devToken(ctx, a.Server, a.Account, "--token")
}

// devToken asks a peal dev for a token. Another server has none to give: what it
// needs instead is told.
func devToken(ctx context.Context, server, account, instead string) (string, error) {
	body, err := json.Marshal(map[string]string{"account": account})
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	err = post(ctx, strings.TrimRight(server, "/")+"/dev/token", "", body, &answer)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return "", fmt.Errorf("%w; a server that is no peal dev needs %s", err, instead)
	}
	return answer.Token, err
}
