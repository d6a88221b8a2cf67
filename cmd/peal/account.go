package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// account is how a command says at which server it is whom.
type account struct {
	Server  string `required:"" placeholder:"URL" env:"PEAL_SERVER" help:"Address of the server, such as https://calls.example.com."`
	Account string `placeholder:"NAME" help:"Account to be, at a peal dev, which gives a token to anyone."`
	Token   string `placeholder:"TOKEN" env:"PEAL_TOKEN" help:"Token of the account, at any other server; see peal token."`
}

func (a *account) address() string { return strings.TrimRight(a.Server, "/") }

// token gives the token, or asks a peal dev for one.
func (a *account) token(ctx context.Context) (string, error) {
	switch {
	case a.Token != "":
		return a.Token, nil
	case a.Account == "":
		return "", errors.New("who asks? give --token, or, at a peal dev, --account")
	}
	body, err := json.Marshal(map[string]string{"account": a.Account})
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	if err := post(ctx, a.address()+"/dev/token", "", body, &answer); err != nil {
		return "", fmt.Errorf("%w; a server that is no peal dev needs --token", err)
	}
	return answer.Token, nil
}
