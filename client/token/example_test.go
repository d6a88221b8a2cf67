package token_test

import (
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/peal-rtc/peal/client/token"
)

// A backend gives its pages tokens. It knows who is logged in; the page does not choose.
func ExampleSigner_Sign() {
	secret, err := os.ReadFile("/etc/peal/secret")
	if err != nil {
		log.Fatal(err)
	}
	signer, err := token.NewSigner(token.Config{Secret: strings.TrimRight(string(secret), "\r\n")})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		account, name := loggedIn(r)
		if account == "" {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		text, err := signer.Sign(token.Claims{Account: account, Name: name})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(text))
	})
}

// loggedIn is what the application has already.
func loggedIn(*http.Request) (account, name string) { return "", "" }
