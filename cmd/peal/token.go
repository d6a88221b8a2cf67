package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/protocol"
)

// leastTTL is one second, since a token counts in whole seconds.
const leastTTL = time.Second

// tokenCommand makes a token as an application's backend would.
type tokenCommand struct {
	Account     string        `required:"" placeholder:"NAME" help:"Account that the token is for."`
	TTL         time.Duration `name:"ttl" default:"10m" help:"Lifetime of the token: 1s to 24h."`
	Secret      string        `placeholder:"SECRET" env:"PEAL_SECRET" help:"Secret of the server, as given to peal serve. Others on the machine can read flags: use --secret-file or the environment."`
	SecretFile  string        `placeholder:"FILE" env:"PEAL_SECRET_FILE" help:"File that holds the secret alone."`
	KeyID       string        `name:"key-id" default:"main" placeholder:"ID" env:"PEAL_KEY_ID" help:"Key id of that secret (${default})."`
	Audience    string        `placeholder:"TEXT" env:"PEAL_TOKEN_AUDIENCE" help:"Audience (aud) of the token, as given to peal serve by --token-audience."`
	SingleLogin bool          `help:"Let the account be logged in on one device only."`
	Name        string        `placeholder:"TEXT" help:"Name that the other side of a call sees; 64 bytes at most."`
	Avatar      string        `placeholder:"URL" help:"Picture that the other side of a call sees: an https URL of 512 bytes at most."`
	Data        string        `placeholder:"DIR" help:"Folder of a peal dev, whose secret is used when none is given (${devData})."`
}

// Help implements kong.HelpProvider.
func (tokenCommand) Help() string {
	return `The token is printed alone, for use in scripts. In production the application's backend makes
tokens itself: a JWT signed by HS256 with header kid, and claims sub (the account) and exp;
aud, where the server has a --token-audience; single_login, where it is true, ends the account's
older logins; name and avatar, where there are any, are shown to the other side of a call.

Examples:
  peal token --account alice
  peal token --account alice --name "Alice Example" --avatar https://example.com/alice.png
  peal token --account alice --secret-file secret --ttl 1h
  PEAL_SECRET=... peal token --account alice --audience calls.example.com`
}

// check refuses what no server takes by default. The signer refuses an empty account, and
// checks the name and the picture.
func (c *tokenCommand) check() error {
	limits := protocol.DefaultLimits()
	switch {
	case c.TTL < leastTTL || c.TTL > auth.MaxTTL:
		return fmt.Errorf("--ttl is %s: give %s to %s", c.TTL, leastTTL, auth.MaxTTL)
	case c.Account != "" && !protocol.ValidAccount(c.Account, &limits):
		return fmt.Errorf("%w: %s", auth.ErrInvalid, protocol.AccountRule(&limits))
	}
	return nil
}

// Run prints the token.
func (c *tokenCommand) Run(std streams) error {
	given, err := config.SecretOf(c.Secret, c.SecretFile)
	if err != nil {
		return err
	}
	keyID, secret := c.KeyID, auth.Secret(given)
	if given == "" {
		data := c.Data
		if data == "" {
			data = devData
		}
		secret, err = auth.ReadSecret(filepath.Join(data, devSecretFile))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no secret: give it by --secret-file or PEAL_SECRET, or name the folder of a peal dev by --data (%s has none)", data)
		}
		if err != nil {
			return err
		}
		keyID = devKeyID
	} else if c.Data != "" {
		return errors.New("both a secret and --data are given: unset PEAL_SECRET and PEAL_SECRET_FILE, or leave --data out")
	}
	if err := c.check(); err != nil {
		return err
	}
	signer, err := auth.NewSigner(auth.Keys{keyID: secret}, keyID)
	if err != nil {
		return err
	}
	now := time.Now()
	token, err := signer.ForAudience(c.Audience).SignIdentity(auth.Identity{
		Account: c.Account, ExpiresAt: now.Add(c.TTL), SingleLogin: c.SingleLogin,
		Card: auth.Card{Name: c.Name, Avatar: c.Avatar},
	}, now)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, token)
	return err
}
