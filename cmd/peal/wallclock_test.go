package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/internal/testing/stepped"
)

// buildStepped builds the command with stepped.Now in the place of each time.Now of this
// module. The server compares its clocks each second, not each minute. Everything else in
// the program is as it ships.
func buildStepped(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	list, err := exec.Command("go", "list", "-deps", "-f",
		`{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	now, clause := regexp.MustCompile(`\btime\.Now\b`), regexp.MustCompile(`(?m)^package \w+$`)
	rare := regexp.MustCompile(`(?m)^(\tclockEvery +=) time\.Minute$`)
	replace := map[string]string{}
	hastened := 0
	for i, file := range strings.Fields(string(list)) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !now.Match(source) || strings.Contains(file, "/internal/testing/") {
			continue
		}
		text := now.ReplaceAllString(string(source), "stepped.Now") + "\nvar _ = time.Now\n"
		hastened += len(rare.FindAllString(text, -1))
		text = rare.ReplaceAllString(text, "${1} time.Second")
		text = clause.ReplaceAllString(text, "${0}\n\nimport \"github.com/peal-rtc/peal/internal/testing/stepped\"")
		with := filepath.Join(folder, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(with, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[file] = with
	}
	if len(replace) < 10 || hastened != 1 {
		t.Fatalf("%d files read a clock, and %d of them compare clocks", len(replace), hastened)
	}
	overlay := filepath.Join(folder, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(folder, "peal")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-overlay="+overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// steppedServer is a peal serve whose wall clock a test sets.
type steppedServer struct {
	*process
	file string
}

func (s *steppedServer) set(by time.Duration) {
	s.t.Helper()
	// Renamed into place, so that the server never reads half a number.
	if err := os.WriteFile(s.file+".new", []byte(strconv.Itoa(int(by/time.Second))), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.file+".new", s.file); err != nil {
		s.t.Fatal(err)
	}
}

// judges holds that the server's wall clock is set: the server judges a token of now by it.
func (s *steppedServer) judges(by time.Duration) {
	s.t.Helper()
	says := "expired"
	if by < 0 {
		says = "in the future"
	}
	err := post(s.t.Context(), s.url+"/v1/ice-servers", token(s.t, "erin", time.Minute, "--secret", secret), nil, new(struct{}))
	if err == nil || !strings.Contains(err.Error(), says) {
		s.t.Errorf("a token of now, with a wall clock that was set by %s: %v", by, err)
	}
}

// steppedPhone is a client of the SDK, and the connections that it lost.
type steppedPhone struct {
	*client.Client
	t   *testing.T
	ctx context.Context
}

func (s *steppedServer) phone(account string) *steppedPhone {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*patience)
	s.t.Cleanup(cancel)
	text := token(s.t, account, 3*time.Hour, "--secret", secret)
	c, err := client.New(client.Config{Server: s.url, Token: func(context.Context) (string, error) { return text, nil }})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	p := &steppedPhone{c, s.t, ctx}
	if err := p.Login(ctx); err != nil {
		s.t.Fatal(err)
	}
	for p.next() != client.Event(client.StateChanged{State: client.Online}) {
	}
	return p
}

func (p *steppedPhone) call(account string) *client.Call {
	p.t.Helper()
	c, err := p.Call(p.ctx, account, client.CallOptions{Offer: "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=mid:0\r\n"})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *steppedPhone) next() client.Event {
	p.t.Helper()
	e, err := p.Next(p.ctx)
	if err != nil {
		p.t.Fatalf("%s waits for an event: %v", p.Account(), err)
	}
	return e
}

// wait reads events up to one of a kind. A connection that is lost meanwhile fails the test.
func wait[E client.Event](p *steppedPhone) E {
	p.t.Helper()
	for {
		switch e := p.next().(type) {
		case E:
			return e
		case client.StateChanged:
			p.t.Errorf("%s: its connection was cut: %+v", p.Account(), e)
		case client.LoggedOut:
			p.t.Fatalf("%s is logged out: %+v", p.Account(), e)
		}
	}
}

// span is how long something took, by a clock that nobody set: from what the test saw, which
// may wait for a busy machine.
type span struct{ least, most time.Duration }

// has allows for a second, since durations are in whole ones.
func (s span) has(d time.Duration) bool {
	return d >= 0 && d >= s.least-time.Second && d <= s.most+time.Second
}

// filed holds what the record of a call says: how long media were there, and all of it took.
func (p *steppedPhone) filed(kind client.RecordKind, media, all span) {
	p.t.Helper()
	r := wait[client.RecordFiled](p).Record
	if took := r.EndedAt.Sub(r.CreatedAt); r.Kind != kind || !media.has(r.Duration) || !all.has(took) {
		p.t.Errorf("%s: of %s with media for %s, where %+v and %+v are right: %+v", p.Account(), took, r.Duration, all, media, r)
	}
}

// TestWallClockIsSet: the wall clock of the machine is set to another time while calls ring
// and are connected. Ring time-outs keep their length, durations are right, and no
// connection is cut.
func TestWallClockIsSet(t *testing.T) {
	binary := buildStepped(t)
	const ring, late = 3 * time.Second, 3 * time.Second
	for name, steps := range map[string][2]time.Duration{
		"back":              {-time.Hour, -time.Hour},
		"forward":           {time.Hour, time.Hour},
		"back, and forward": {-time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "step")
			p := startProgram(t, binary, "http", []string{stepped.File + "=" + file}, []string{
				"serve", "--addr", "127.0.0.1:0", "--turn-addr", "off", "--data", t.TempDir(), "--secret", secret, "--timing-ring", ring.String(),
				"--ping-idle", "1s", "--ping-idle-dead", "3s", "--ping-active", "1s", "--ping-active-dead", "3s",
			})
			s := &steppedServer{p, file}
			s.set(0)
			alice, bob, carol, dave := s.phone("alice"), s.phone("bob"), s.phone("carol"), s.phone("dave")

			began := time.Now()
			out := carol.call("dave")
			in := wait[client.Incoming](dave).Call
			if err := in.Accept(dave.ctx, 1, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=mid:0\r\n"); err != nil {
				t.Fatal(err)
			}
			reported := time.Now()
			for _, c := range []*client.Call{out, in} {
				if err := c.ReportMedia(carol.ctx, 1, true); err != nil {
					t.Fatal(err)
				}
			}
			connected := time.Now()

			rings := time.Now()
			alice.call("bob")
			wait[client.Incoming](bob)
			s.set(steps[0])
			s.judges(steps[0])
			pause(t, ring/2)
			s.set(steps[1])
			s.judges(steps[1])
			for _, p := range []*steppedPhone{alice, bob} {
				e := wait[client.Ended](p).End
				if rang := (span{ring, ring + late}); e.Reason != "timeout" || !rang.has(time.Since(rings)) {
					t.Errorf("%s: a ring of %s ended after %s: %+v", p.Account(), ring, time.Since(rings), e)
				}
				p.filed(client.RecordTimeout, span{}, span{ring, time.Since(rings)})
			}
			least := time.Since(connected)
			if err := out.Hangup(carol.ctx); err != nil {
				t.Fatal(err)
			}
			media, all := span{least, time.Since(reported)}, span{least, time.Since(began)}
			if e := wait[client.Ended](dave).End; e.Reason != "completed" || !media.has(e.Duration) {
				t.Errorf("the call of %+v: %+v", media, e)
			}
			for _, p := range []*steppedPhone{carol, dave} {
				p.filed(client.RecordCompleted, media, all)
			}
			for _, p := range []*steppedPhone{alice, bob, carol, dave} {
				if _, err := p.Records(p.ctx, client.RecordPage{}); err != nil || p.State() != client.Online {
					t.Errorf("%s is %v: %v", p.Account(), p.State(), err)
				}
			}
			if text := s.log.String(); !strings.Contains(text, "the clock of calls and records is not the machine's") || strings.Contains(text, "level=ERROR") {
				t.Errorf("the log:\n%s", text)
			}
		})
	}
}

// pause lets some time go by, as the machine's clock that nobody sets has it.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
