package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/peal-rtc/peal/client/admin"
)

func newClient() *admin.Client {
	c, err := admin.New(admin.Config{URL: "https://calls.example.com", Key: os.Getenv("PEAL_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// A backend ends every call that is longer than an hour.
func Example() {
	c := newClient()
	ctx := context.Background()
	for call, err := range c.Calls(ctx, admin.CallFilter{}) {
		if err != nil {
			log.Fatal(err)
		}
		if time.Since(call.CreatedAt) < time.Hour {
			continue
		}
		if _, err := c.EndCall(ctx, call.ID); err != nil {
			log.Print(err)
		}
	}
}

// The code says what to do about an error.
func ExampleError() {
	_, err := newClient().EndCall(context.Background(), "019a0000-0000-7000-8000-000000000001")
	var refused *admin.Error
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Code == admin.NoSuchCall:
		log.Print("it ended more than a day ago")
	case errors.As(err, &refused):
		log.Printf("%s (request %s in the server's log)", refused.Detail, refused.RequestID)
	default:
		log.Print(err) // The network.
	}
}

// The ten newest records of an account.
func ExampleClient_Records() {
	n := 0
	for record, err := range newClient().Records(context.Background(), admin.RecordFilter{Account: "alice", Limit: 10}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(record.CreatedAt, record.Reason, record.Seconds)
		if n++; n == 10 {
			break
		}
	}
}

// A backend that nobody can send requests to reads the feed. It begins where it was.
func ExampleClient_Events() {
	place := load()
	for event, err := range newClient().Events(context.Background(), admin.EventFilter{After: place, Types: []admin.EventType{admin.CallEnded}}) {
		if err != nil {
			log.Print(err) // The loop tries on, or ends by itself.
			continue
		}
		store(*event.Data.Record, event.Place())
	}
}

// load and store are the application's: what an event changes and its place, in one transaction.
func load() string               { return "" }
func store(admin.Record, string) {}

// A receiver of webhooks.
func ExampleVerify() {
	http.HandleFunc("POST /peal", func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 64<<10))
		if err != nil {
			http.Error(w, "the body did not arrive", http.StatusBadRequest)
			return
		}
		event, err := admin.Verify(q.Header, body, os.Getenv("PEAL_WEBHOOK_SECRET"))
		if err != nil {
			http.Error(w, "not verified", http.StatusUnauthorized)
			return
		}
		if event.Type == admin.CallEnded && event.Data.Record != nil {
			// Store it under event.ID: an event may come more than once.
			log.Print(event.ID, event.Data.Record.CallID, event.Data.Record.Seconds)
		}
	})
}
