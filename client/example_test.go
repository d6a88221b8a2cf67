package client_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/peal-rtc/peal/client"
)

// A program that declines every call and says who called.
func Example() {
	c, err := client.New(client.Config{
		Server: "https://calls.example.org",
		Token: func(context.Context) (string, error) {
			return os.Getenv("PEAL_TOKEN"), nil // Or ask your backend.
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx := context.Background()
	if err := c.Login(ctx); err != nil {
		log.Fatal(err)
	}
	for {
		event, err := c.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		switch e := event.(type) {
		case client.Incoming:
			fmt.Println("call from", e.Call.Snapshot().Peer.Account)
			if err := e.Call.Reject(ctx); err != nil {
				log.Print(err)
			}
		case client.RecordFiled:
			fmt.Println("record", e.Record.CallID, e.Record.Reason)
		case client.LoggedOut:
			log.Fatal(e.Reason)
		}
	}
}
