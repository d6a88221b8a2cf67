package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/media"
)

// terminal is a `peal call`, `peal answer` or `peal echo`.
type terminal struct {
	t       *testing.T
	process *exec.Cmd
	out     *buffer
	exited  chan struct{}
}

func (s *server) terminal(command, account string, args ...string) *terminal {
	s.t.Helper()
	args = append([]string{command, "--server", s.url(), "--account", account}, args...)
	p := &terminal{t: s.t, process: exec.Command(binary, args...), out: &buffer{}}
	p.run(command)
	return p
}

// run starts it, for the length of a test at most.
func (p *terminal) run(name string) {
	p.t.Helper()
	p.exited = make(chan struct{})
	p.process.Stdout, p.process.Stderr = p.out, p.out
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { _ = p.process.Wait(); close(p.exited) }()
	p.t.Cleanup(func() {
		_ = p.process.Process.Kill()
		<-p.exited
		if p.t.Failed() {
			p.t.Logf("%s: %s", name, p.out)
		}
	})
}

// says waits for a text.
func (p *terminal) says(text string) {
	p.t.Helper()
	eventually(p.t, 20*time.Second, "the terminal says "+text, func() bool { return strings.Contains(p.out.String(), text) })
}

// exits waits for the end.
func (p *terminal) exits(code int) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("it does not end: %s", p.out)
	}
	if got := p.process.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d", got, code)
	}
}

// A page gets back from peal echo what its camera and its microphone give: in a
// video call, and in an audio call that becomes one.
func TestEcho(t *testing.T) {
	s := startServer(t)
	echo := s.terminal("echo", "echo")
	echo.says("Ctrl+C ends it")
	alice := device(t, startBrowser(t), application(t, s), s, "alice", "")
	alice.calls("echo", 2)
	alice.seesAndHears(60)
	alice.until("sees its own size", `document.querySelector("#remote video").videoWidth === 640`)
	alice.does("hangup")
	alice.skip()
	echo.says("alice: alice hung up after")

	alice.idle()
	alice.calls("echo", 1)
	alice.hears()
	if n := alice.stats(); n.Frames != 0 {
		t.Errorf("an audio call has %d pictures", n.Frames)
	}
	alice.start("switchCallType", "2")
	alice.seesAndHears(30)
	alice.does("hangup")
	eventually(t, 20*time.Second, "the second call is over", func() bool { return strings.Count(echo.out.String(), "hung up") == 2 })
	_ = echo.process.Process.Signal(syscall.SIGINT)
	echo.exits(0)
}

// What peal answer records of a page is sound and picture that the browser
// itself can decode.
func TestAnswerRecords(t *testing.T) {
	s := startServer(t)
	dir := t.TempDir()
	bob := s.terminal("answer", "bob", "--auto", "--record", filepath.Join(dir, "heard.ogg"), "--record", filepath.Join(dir, "seen.ivf"))
	bob.says("Waiting for a call to bob")
	alice := device(t, startBrowser(t), application(t, s), s, "alice", "")
	alice.calls("bob", 2)
	alice.seesAndHears(45) // The test picture and the tone.
	alice.until("sees the test picture", `document.querySelector("#remote video").videoWidth === 320`)
	eventually(t, 20*time.Second, "quality is told again", func() bool { return strings.Count(bob.out.String(), "round trip") > 1 })
	alice.does("hangup")
	bob.says("alice hung up after")
	bob.exits(0)

	files := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(files.Close)
	judge := open(t, alice.ctx, files.URL)
	sound, err := evaluate[struct{ Seconds, Loudest float64 }](judge, `(async () => {
		const data = await (await fetch("/heard.ogg")).arrayBuffer();
		const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(data);
		return {Seconds: sound.duration, Loudest: sound.getChannelData(0).reduce((a, x) => Math.max(a, Math.abs(x)), 0)};
	})()`)
	if err != nil || sound.Seconds < 2.5 || sound.Loudest < 0.01 {
		t.Errorf("the recorded sound is %+v, %v", sound, err)
	}
	seen, err := evaluate[struct {
		Frames, Decoded, Width, Height int
		Seconds                        float64
		Failed                         string
	}](judge, `(async () => {
		const view = new DataView(await (await fetch("/seen.ivf")).arrayBuffer());
		const seen = {Frames: 0, Decoded: 0, Width: view.getUint16(12, true), Height: view.getUint16(14, true), Seconds: 0, Failed: ""};
		const decoder = new VideoDecoder({
			output: (f) => { if (f.displayWidth === seen.Width && f.displayHeight === seen.Height) seen.Decoded++; f.close(); },
			error: (e) => { seen.Failed = e.message; },
		});
		decoder.configure({codec: "vp8"});
		for (let at = 32; at < view.byteLength; seen.Frames++) {
			const size = view.getUint32(at, true), time = view.getUint32(at + 4, true);
			const data = new Uint8Array(view.buffer, at + 12, size);
			decoder.decode(new EncodedVideoChunk({type: data[0] & 1 ? "delta" : "key", timestamp: time * 1000, data}));
			seen.Seconds = time / 1000;
			at += 12 + size;
		}
		await decoder.flush();
		return seen;
	})()`)
	if err != nil || seen.Failed != "" || seen.Frames < 30 || seen.Decoded < seen.Frames-5 || seen.Width == 0 || seen.Seconds < 2 {
		t.Errorf("the recorded picture is %+v, %v", seen, err)
	}
	t.Logf("recorded %.1f s of sound and %d pictures, %d × %d", sound.Seconds, seen.Frames, seen.Width, seen.Height)
}

// peal call calls a page; either side hangs up.
func TestCallCommand(t *testing.T) {
	s := startServer(t)
	alice := device(t, startBrowser(t), application(t, s), s, "alice", "")
	rung := func() {
		t.Helper()
		eventually(t, 20*time.Second, "the page is rung", func() bool {
			return slices.ContainsFunc(alice.log()[alice.seen:], func(e entry) bool { return e.Name == "onInvited" })
		})
		alice.skip()
	}
	answer := func(bob *terminal) {
		t.Helper()
		rung()
		alice.does("accept")
		bob.says("Connected.")
		alice.seesAndHears(30)
		alice.skip()
	}
	bob := s.terminal("call", "bob", "alice", "--video")
	answer(bob)
	bob.says("host → ")
	alice.does("hangup")
	bob.says("alice hung up after")
	bob.exits(0)
	alice.skip()
	alice.idle()

	bob = s.terminal("call", "bob", "alice", "--video")
	answer(bob)
	_ = bob.process.Process.Signal(syscall.SIGINT)
	bob.says("Hung up after")
	bob.exits(0)
	alice.expect("onUserLeave", "onCallEnd")
	alice.skip()
	alice.idle()

	// Declined, given up.
	bob = s.terminal("call", "bob", "alice")
	rung()
	alice.does("reject")
	bob.says("Declined.")
	bob.exits(3)
	alice.idle()
	alice.skip()
	bob = s.terminal("call", "bob", "alice")
	rung()
	_ = bob.process.Process.Signal(syscall.SIGINT)
	bob.says("Given up")
	bob.exits(3)
	alice.expect("onUserCancel")
}

// program is a Go program with media, in the test's process.
type program struct {
	*media.Phone
	t       *testing.T
	ctx     context.Context
	account string
	events  chan client.Event
}

func (s *server) program(account string, o media.Options) *program {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	token := s.token(account)
	c, err := client.New(client.Config{Server: s.url(), Token: func(context.Context) (string, error) { return token, nil }})
	if err != nil {
		s.t.Fatal(err)
	}
	phone, err := media.New(c, o)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &program{Phone: phone, t: s.t, ctx: ctx, account: account, events: make(chan client.Event, 1000)}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			e, err := phone.Next(ctx)
			if err != nil {
				return
			}
			p.events <- e
		}
	})
	s.t.Cleanup(func() {
		cancel()
		_ = phone.Close()
		_ = c.Close()
		reading.Wait()
	})
	if err := c.Login(ctx); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// echoes repeats what comes, and counts it.
func (p *program) echoes(count *sync.Map) func(*media.Session) media.Streams {
	return func(s *media.Session) media.Streams {
		repeat := func(kind media.Kind) func(media.Frame) {
			return func(f media.Frame) {
				n, _ := count.LoadOrStore(kind, 0)
				count.Store(kind, n.(int)+1)
				_ = s.Send(kind, f)
			}
		}
		return media.Streams{
			Tracks: client.Tracks{Audio: true, Video: true}, OnAudio: repeat(media.Audio), OnVideo: repeat(media.Video),
			OnKeyframeRequest: s.RequestKeyframe,
		}
	}
}

// Between a program and a page of either browser ICE restarts, as either wishes, also
// where the relay alone carries media: the page's own counters go on.
func TestProgramRestarts(t *testing.T) {
	s := startServer(t, "--turn-addr", freeAddr(t))
	browser, firefox, app := startBrowser(t), startFirefox(t), application(t, s)
	for _, test := range []struct {
		name      string
		firefox   bool
		pageCalls bool
		relay     bool
		option    string
	}{
		{name: "page calls", pageCalls: true},
		{name: "program calls"},
		{name: "relay", pageCalls: true, relay: true, option: "?relay"},
		{name: "Firefox calls", firefox: true, pageCalls: true},
		{name: "program calls Firefox", firefox: true},
		{name: "relay with Firefox", firefox: true, pageCalls: true, relay: true, option: "?relay"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := strings.ReplaceAll(test.name, " ", "-")
			var alice *page
			if test.firefox {
				alice = inFirefox(t, firefox, app, s, "alice-"+name, test.option)
			} else {
				alice = device(t, browser, app, s, "alice-"+name, test.option)
			}
			bot := s.program("bot-"+name, media.Options{RelayOnly: test.relay})
			var count sync.Map
			session := bot.meets(alice, test.pageCalls, bot.echoes(&count))
			alice.seesAndHears(30)
			if test.relay {
				eventually(t, 20*time.Second, "the path is known", func() bool { return session.Status().Path.Local != "" })
				if p, n := session.Status().Path, alice.stats(); p.Local != "relay" || p.Remote != "relay" || n.Local != "relay" || n.Remote != "relay" {
					t.Errorf("media flows %s, and at the page from %s to %s", p, n.Local, n.Remote)
				}
			}
			for generation, restart := range []func(){
				func() {
					if err := session.Restart(bot.ctx); err != nil {
						t.Fatal(err)
					}
				},
				// A rebuild, as after a reload of the page.
				func() {
					if err := session.Call().Restart(bot.ctx, 2, true); err != nil {
						t.Fatal(err)
					}
				},
			} {
				restart()
				eventually(t, 20*time.Second, "media is up in the next generation", func() bool {
					now := session.Call().Snapshot()
					return now.Generation == uint32(generation+2) && now.Peer.MediaUp && session.Status().Up
				})
				before, _ := count.Load(media.Video)
				alice.seesAndHears(alice.stats().Frames + 30)
				if after, _ := count.Load(media.Video); after.(int) <= before.(int) {
					t.Errorf("%d pictures came in before the restart, %d after", before, after)
				}
			}
			if n, err := evaluate[int](alice, "pcs.length"); err != nil || n != 2 {
				t.Errorf("the page made %d peer connections, %v, want 2", n, err)
			}
			alice.does("hangup")
			eventually(t, 20*time.Second, "the call is over", func() bool { _, over := session.Call().End(); return over })
		})
	}
}

// meets brings a page and a program into a video call.
func (p *program) meets(page *page, pageCalls bool, streams func(*media.Session) media.Streams) *media.Session {
	p.t.Helper()
	if !pageCalls {
		s, err := p.Call(p.ctx, page.account, client.CallOptions{Type: client.Video}, media.Streams{})
		if err != nil {
			p.t.Fatal(err)
		}
		s.SetStreams(streams(s))
		page.expect("onInvited")
		page.does("accept")
		return s
	}
	page.run(fmt.Sprintf(`did("call", {userId: %q, type: 2})`, p.account))
	for e := range p.events {
		if rings, ok := e.(client.Incoming); ok {
			s := p.Session(rings.Call)
			if err := s.Accept(p.ctx, streams(s)); err != nil {
				p.t.Fatal(err)
			}
			return s
		}
	}
	return nil
}

// The bot of the guide does what the guide says.
func TestGoGuide(t *testing.T) {
	text, err := os.ReadFile("../docs/build/go-sdk.md")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(fence.FindAllStringSubmatch(string(text), -1), func(m []string) bool { return m[2] == "bot" })
	if i < 0 {
		t.Fatal("the guide has no bot")
	}
	dir := t.TempDir()
	source, bot := filepath.Join(dir, "main.go"), filepath.Join(dir, "bot")
	if err := os.WriteFile(source, []byte(fence.FindAllStringSubmatch(string(text), -1)[i][3]), 0o600); err != nil {
		t.Fatal(err)
	}
	setUp := strings.Join(regexp.MustCompile(`(?m)^    (go (?:mod|work) init .*)$`).FindAllString(string(text), -1), "\n")
	clone, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("bash", "-euc", setUp+"\ngo build -o bot .")
	build.Dir, build.Env = dir, append(os.Environ(), "PEAL_CLONE="+clone)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("it does not build: %v\n%s\n%s", err, setUp, out)
	}
	s := startServer(t)
	p := &terminal{t: t, process: exec.Command(bot), out: &buffer{}}
	secret, err := os.ReadFile(filepath.Join(s.data, "dev-secret"))
	if err != nil {
		t.Fatal(err)
	}
	p.process.Env = append(os.Environ(), "PEAL_SERVER="+s.url(), "PATH="+filepath.Dir(binary), "PEAL_SECRET="+strings.TrimSpace(string(secret)), "PEAL_KEY_ID=dev")
	p.run("bot")
	p.says("logged in as bot")
	heard := filepath.Join(dir, "heard.ogg")
	alice := s.terminal("call", "alice", "bot", "--video", "--for", "3s", "--record", heard)
	alice.exits(0)
	p.says("alice completed")
	// Sound of seconds, not a header alone.
	if info, err := os.Stat(heard); err != nil || info.Size() < 2000 {
		t.Errorf("what came back is %v, %v", info, err)
	}
}
