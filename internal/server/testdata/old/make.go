// Command make writes the database that a killed server of an old version leaves
// behind. README.md beside it says how to run it.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/coder/websocket"
	_ "modernc.org/sqlite"
)

const (
	addr   = "127.0.0.1:17326"
	secret = "0123456789abcdef0123456789abcdef"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// id gives the call ids, which the test knows.
func id(n int) string { return fmt.Sprintf("019a0000-0000-7000-8000-0000000001%02d", n) }

func token(account string) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		check(err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]any{"alg": "HS256", "typ": "JWT", "kid": "main"}) + "." +
		part(map[string]any{"sub": account, "exp": time.Now().Add(time.Hour).Unix()})
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// device is one logged-in client.
type device struct {
	socket *websocket.Conn
	id     int
}

func login(account, name string) *device {
	socket, _, err := websocket.Dial(context.Background(), "ws://"+addr+"/ws", &websocket.DialOptions{Subprotocols: []string{"peal.v1.json"}})
	check(err)
	socket.SetReadLimit(1 << 20)
	d := &device{socket: socket}
	d.ask("hello", map[string]any{"token": token(account), "deviceId": name, "fresh": true, "client": "make"})
	return d
}

// ask sends a command and returns the state of the call in its answer.
func (d *device) ask(command string, body map[string]any) string {
	d.id++
	text, err := json.Marshal(map[string]any{"id": d.id, command: body})
	check(err)
	check(d.socket.Write(context.Background(), websocket.MessageText, text))
	for {
		_, text, err := d.socket.Read(context.Background())
		check(err)
		var f struct {
			ReplyTo int
			Error   *struct{ Code, Message string }
			Call    struct {
				Call struct{ State, Reason string }
			}
		}
		check(json.Unmarshal(text, &f))
		if f.ReplyTo != d.id {
			continue
		}
		if f.Error != nil {
			panic(command + ": " + f.Error.Code + " " + f.Error.Message)
		}
		fmt.Println(command, f.Call.Call.State, f.Call.Call.Reason)
		return f.Call.Call.State
	}
}

func main() {
	peal, sdp, out := os.Args[1], os.Args[2], os.Args[3]
	data, err := os.MkdirTemp("", "peal-old-")
	check(err)
	defer os.RemoveAll(data)
	server := exec.Command(peal, "serve", "--addr", addr, "--turn-addr", "off", "--data", data)
	server.Env = append(os.Environ(), "PEAL_SECRET="+secret)
	server.Stderr = os.Stderr
	check(server.Start())
	defer server.Process.Kill() // A panic leaves no server behind.
	for {
		if r, err := http.Get("http://" + addr + "/healthz"); err == nil {
			r.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(sdp, name))
		check(err)
		return string(text)
	}
	offer, answer := read("chromium-offer.sdp"), read("chromium-answer.sdp")
	alice, bob, carol, dave := login("alice", "phone-a"), login("bob", "phone-b"), login("carol", "phone-c"), login("dave", "phone-d")
	of := func(n int) map[string]any { return map[string]any{"callId": id(n)} }
	invite := func(by *device, n int, callee, kind string, ringMs int) {
		by.ask("invite", map[string]any{
			"callId": id(n), "callee": callee, "type": "CALL_TYPE_" + kind, "offer": offer, "attachment": `{"room":7}`,
			"ringTimeoutMs": ringMs, "tracks": map[string]any{"audio": true, "video": kind == "VIDEO"},
		})
	}
	talk := func(caller, callee *device, n int, account, kind string) {
		invite(caller, n, account, kind, 60_000)
		callee.ask("ringing", of(n))
		callee.ask("accept", map[string]any{"callId": id(n), "answer": answer, "generation": 1})
		callee.ask("tracks", map[string]any{"callId": id(n), "tracks": map[string]any{"audio": true, "video": kind == "VIDEO"}})
		for _, d := range []*device{caller, callee} {
			d.ask("media", map[string]any{"callId": id(n), "generation": 1, "up": true})
		}
	}
	// The records of the past, one of each usual kind.
	talk(alice, bob, 1, "bob", "VIDEO")
	time.Sleep(2100 * time.Millisecond)
	bob.ask("hangup", of(1))
	invite(alice, 2, "bob", "AUDIO", 60_000)
	alice.ask("cancel", of(2))
	invite(bob, 3, "alice", "AUDIO", 60_000)
	alice.ask("reject", of(3))
	invite(carol, 4, "alice", "AUDIO", 1000)
	time.Sleep(2 * time.Second)
	// The call that is on, one that finds its callee busy, and the one that rings.
	talk(alice, bob, 6, "bob", "VIDEO")
	invite(carol, 5, "bob", "VIDEO", 60_000)
	invite(carol, 7, "dave", "VIDEO", 60_000)
	dave.ask("ringing", of(7))
	check(server.Process.Kill())
	_ = server.Wait()

	path := filepath.Join(data, "peal.db")
	db, err := sql.Open("sqlite", path)
	check(err)
	for _, statement := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		_, err = db.Exec(statement)
		check(err)
	}
	check(db.Close())
	text, err := os.ReadFile(path)
	check(err)
	check(os.WriteFile(out, text, 0o644))
}
