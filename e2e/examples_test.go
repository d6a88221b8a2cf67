package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runIn runs a command in a folder, for two minutes at most.
func runIn(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// builtExamples gives the folders of the examples as their readers build them: from the
// package, as it goes to the registry.
func builtExamples(t *testing.T) map[string]string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	packed := runIn(t, root, "scripts/package")
	tarball := strings.TrimSpace(packed[strings.LastIndex(packed, "package: ")+len("package: "):])
	work := t.TempDir()
	if err := os.CopyFS(filepath.Join(work, "examples"), os.DirFS(filepath.Join(root, "examples"))); err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(work, "node_modules")
	component := filepath.Join(modules, "peal-rtc")
	if err := os.MkdirAll(component, 0o755); err != nil {
		t.Fatal(err)
	}
	runIn(t, work, "tar", "-xzf", tarball, "-C", component, "--strip-components=1")
	installed, err := filepath.Glob(filepath.Join(root, "web/node_modules/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range installed {
		if err := os.Symlink(module, filepath.Join(modules, filepath.Base(module))); err != nil {
			t.Fatal(err)
		}
	}
	built := map[string]string{"plain": filepath.Join(work, "examples/plain")}
	vite := filepath.Join(root, "web/node_modules/.bin/vite")
	for _, name := range []string{"react", "vue"} {
		dir := filepath.Join(work, "examples", name)
		runIn(t, dir, vite, "build", "--logLevel", "warn")
		built[name] = filepath.Join(dir, "dist")
	}
	return built
}

// says waits until the page shows a text.
func (p *page) says(text string) {
	p.t.Helper()
	p.until("says "+text, fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// presses clicks on the button with a text, once it is there.
func (p *page) presses(text string) {
	p.t.Helper()
	button := fmt.Sprintf("[...document.querySelectorAll('button')].find((b) => b.textContent === %q && b.offsetParent !== null)", text)
	p.until("has the button "+text, button+" !== undefined")
	p.takesPart()
	p.run(button + ".click()")
}

// The examples call each other: in each pair one shares its screen, chooses a device and
// shows how the call ended.
func TestExamples(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	firefox := startFirefox(t)
	at := map[string]string{}
	for name, dir := range builtExamples(t) {
		app := httptest.NewServer(http.FileServer(http.Dir(dir)))
		t.Cleanup(app.Close)
		at[name] = strings.Replace(app.URL, "127.0.0.1", "localhost", 1)
	}
	address := func(name string) string {
		return at[name] + "/?" + url.Values{"server": {s.url()}, "account": {name}}.Encode()
	}
	for _, pair := range [][2]string{{"react", "vue"}, {"vue", "plain"}, {"plain", "react"}} {
		t.Run(pair[0]+" calls "+pair[1], func(t *testing.T) {
			caller := open(t, browser, address(pair[0]))
			tab, err := firefox.open(address(pair[1]))
			if err != nil {
				t.Fatal(err)
			}
			callee := &page{t: t, firefox: tab, account: pair[1]}
			t.Cleanup(func() { _ = tab.close() })
			caller.account = pair[0]
			caller.says("online")
			callee.says("online")

			// Frameworks hear of what is typed by its event.
			typed := `(() => {
				const input = document.querySelector("input");
				Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, %q);
				input.dispatchEvent(new Event("input", { bubbles: true }));
			})()`
			caller.run(fmt.Sprintf(typed, pair[1]))
			caller.presses("Call")
			caller.says(pair[1] + ": ringing")
			callee.says(pair[0] + " is calling")
			callee.presses("Accept")
			for i, p := range []*page{caller, callee} {
				p.says(pair[1-i] + ": connected")
				p.until("shows both pictures", `[...document.querySelectorAll(".pictures video")].filter((v) => v.videoWidth > 0 && !v.paused).length === 2`)
				p.until("names the devices", `document.querySelector("[aria-label=microphone]").selectedOptions[0]?.textContent.length > 0`)
			}
			caller.presses("Mute")
			caller.says("Unmute")
			caller.presses("Share screen")
			caller.says("Stop sharing")
			callee.until("shows the screen whole", `document.querySelector(".remote video").style.objectFit === "contain"`)
			caller.presses("Stop sharing")
			callee.until("shows the camera", `document.querySelector(".remote video").style.objectFit === "cover"`)
			caller.run(`(() => {
				const select = document.querySelector("[aria-label=microphone]");
				const other = [...select.options].find((o) => !o.selected);
				window.chosen = other.value;
				Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, "value").set.call(select, other.value);
				select.dispatchEvent(new Event("change", { bubbles: true }));
			})()`)
			caller.until("has another microphone", `document.querySelector("[aria-label=microphone]").value === chosen && localStorage.getItem("peal.devices").includes(chosen)`)
			callee.presses("Hang up")
			for _, p := range []*page{caller, callee} {
				p.says("The call is over: completed")
			}
			caller.run(fmt.Sprintf(typed, "nobody"))
			caller.presses("Call")
			caller.presses("Hang up")
			caller.says("The call is over: cancelled")
		})
	}
}
