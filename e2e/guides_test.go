package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// guides are the pages of docs/build/tasks, by their name without the language.
func guides(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../docs/build/tasks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// The code of a guide is the same in both languages, and README.md lists each guide.
func TestGuidesInBothLanguages(t *testing.T) {
	text := func(name string) string {
		text, err := os.ReadFile(filepath.Join("../docs/build/tasks", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	code := map[string][]string{}
	for _, s := range snippets(t) {
		code[s.file] = append(code[s.file], s.language+" "+s.use+"\n"+s.text)
	}
	for _, name := range guides(t) {
		english, chinese := code["build/tasks/"+name+".md"], code["build/tasks/"+name+".zh-CN.md"]
		if !slices.Equal(english, chinese) {
			t.Errorf("%s: the code differs between the languages", name)
		}
		if name == "README" {
			continue
		}
		if len(english) == 0 {
			t.Errorf("%s has no snippet", name)
		}
		for _, language := range []string{".md", ".zh-CN.md"} {
			if !strings.Contains(text("README"+language), "("+name+language+")") {
				t.Errorf("README%s does not list %s", language, name)
			}
			if !strings.Contains(text(name+language), "(README"+language+")") {
				t.Errorf("%s%s does not link to README%s", name, language, language)
			}
		}
	}
}

// guidePage is the page of an application around a snippet: what docs/build/tasks/README.md
// says that a snippet may use. The newest client is `mine`; `said` has what was shown.
const guidePage = `<!doctype html>
<meta charset="utf-8">
<script type="importmap">{ "imports": { "peal-rtc": "/peal-rtc.js" } }</script>
<p id="state"></p>
<div id="local" style="width: 160px; height: 120px"></div>
<div id="remote" style="width: 320px; height: 240px"></div>
<button id="call">Call</button> <button id="accept">Accept</button> <button id="reject">Reject</button>
<button id="hangup">Hang up</button> <button id="share">Share</button> <button id="stop">Stop</button>
<select id="cameras"></select>
<p id="offline" hidden>offline</p>
<p id="low_bandwidth" hidden></p><p id="microphone_silent" hidden></p><p id="one_way_media" hidden></p><p id="relay" hidden></p>
<script>
	Object.assign(window, { said: [], log: [], failures: [] });
	addEventListener("unhandledrejection", (e) => failures.push("unhandled: " + (e.reason?.message ?? e.reason)));
	addEventListener("error", (e) => failures.push("error: " + e.message));
	window.$ = (selector) => document.querySelector(selector);
	window.say = (text) => { said.push(text); $("#state").textContent = text; };
	window.server = SERVER;
	window.getToken = async () => (await fetch("/token")).text();
</script>
<script>BEFORE</script>
<script type="module">
	import { PealClient } from "peal-rtc";
	const text = SNIPPET;
	if (!text.includes("new PealClient")) {
		window.client = new PealClient({ server, getToken });
		await client.connect();
	}
	if (IN_CALL) {
		window.call = client.call("bob", { video: true });
		call.attachLocal($("#local"));
		call.attachRemote($("#remote"));
		await new Promise((resolve) => call.on("connected", resolve));
	}
	const script = { type: "module", textContent: text + "\nwindow.ran = true;" };
	document.body.append(Object.assign(document.createElement("script"), script));
</script>
`

// keepsClient is the SDK as the page has it: the test reaches each client that a snippet makes.
const keepsClient = `import { PealClient as Real } from "SERVER/sdk/peal.js";
export * from "SERVER/sdk/peal.js";
export class PealClient extends Real {
	constructor(options) {
		super({ ...options, ...OPTIONS });
		window.mine = this;
	}
}`

// guide is how a test drives the snippet of one page.
type guide struct {
	options string // More options of each client.
	before  string // Runs before all else.
	inCall  bool   // The snippet uses `call`.
	check   func(g *guideRun)
}

// guideRun is a snippet that runs as alice, beside bob.
type guideRun struct {
	s          *server
	alice, bob *page
}

// page opens the snippet's page as an account.
func (g guide) page(t *testing.T, browser context.Context, s *server, account, snippet string) *page {
	t.Helper()
	quoted := func(text string) string {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(quoted)
	}
	html := strings.NewReplacer("SERVER", quoted(s.url()), "BEFORE", g.before, "SNIPPET", quoted(snippet),
		"IN_CALL", fmt.Sprint(g.inCall)).Replace(guidePage)
	sdk := strings.NewReplacer("SERVER", s.url(), "OPTIONS", "{"+g.options+"}").Replace(keepsClient)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/token":
			fmt.Fprint(w, s.token(account))
		case "/peal-rtc.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, sdk)
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, html)
		}
	}))
	t.Cleanup(app.Close)
	p := open(t, browser, app.URL)
	p.account = account
	return p
}

// ready waits until the snippet has run in a page, and its client is connected.
func (p *page) ready() {
	p.t.Helper()
	p.until("has run the snippet", `window.ran && window.mine?.connection === "online"`)
}

// shows waits until a page shows a text.
func (p *page) shows(text string) {
	p.t.Helper()
	p.until("shows "+text, fmt.Sprintf(`$("#state").textContent === %q`, text))
}

// seesVideo waits until a page of a guide shows the other side's picture.
func (p *page) seesVideo() {
	p.t.Helper()
	p.until("sees the other side", `$("#remote video")?.getVideoPlaybackQuality().totalVideoFrames > 5`)
}

// calls has bob call alice's page.
func (g *guideRun) calls() {
	g.alice.t.Helper()
	g.bob.run(fmt.Sprintf("follow(client.call(%q, { video: true }))", g.alice.account))
}

// hangsUp has bob end the call.
func (g *guideRun) hangsUp() {
	g.alice.t.Helper()
	g.bob.run("call.hangup()")
}

// guideTests has a row for each page whose snippet is marked `guide`.
var guideTests = map[string]guide{
	"calling": {check: func(g *guideRun) {
		g.bob.until("rings", `call?.state === "ringing" && call.video`)
		g.bob.run("call.accept()")
		g.alice.seesVideo()
		g.alice.until("sees itself", `$("#local video")?.videoWidth > 0`)
		g.alice.run(`$("#hangup").click()`)
		g.bob.until("is over", `call.end?.reason === "completed"`)
		g.alice.shows("The call is over: completed")
	}},
	"answering": {check: func(g *guideRun) {
		g.calls()
		g.alice.shows("bob is calling")
		g.alice.run(`$("#accept").click()`)
		g.alice.seesVideo()
		g.bob.until("is in the call", `call.state === "connected"`)
		g.hangsUp()
		g.alice.shows("The call is over: completed")
		g.calls()
		g.alice.shows("bob is calling")
		g.alice.run(`$("#reject").click()`)
		g.bob.until("is rejected", `call.end?.reason === "rejected"`)
	}},
	"devices": {inCall: true, check: func(g *guideRun) {
		g.alice.until("lists the cameras by name", `$("#cameras").options.length > 1 && $("#cameras").selectedOptions[0].textContent.startsWith("fake_device")`)
		// The second made-up camera gives depth, which nobody encodes.
		g.alice.run(`(() => {
			const other = [...$("#cameras").options].find((o) => !o.selected && o.textContent !== "fake_device_1");
			window.chosen = other.value;
			$("#cameras").value = chosen;
			$("#cameras").dispatchEvent(new Event("change"));
		})()`)
		g.alice.until("uses the chosen camera", `mine.activeCall.localStream.getVideoTracks()[0].getSettings().deviceId === chosen`)
		g.alice.until("lists it as the active one", `$("#cameras").value === chosen && [...$("#cameras").options].find((o) => o.defaultSelected || o.selected).value === chosen`)
		g.bob.until("sees it", "grows(decoded)")
		g.hangsUp()
	}},
	"screen": {inCall: true, check: func(g *guideRun) {
		g.alice.takesPart()
		g.alice.run(`$("#share").click()`)
		g.bob.until("sees the screen", "call.remoteTracks.screen && grows(decoded)")
		g.alice.shows("The other side sees your screen")
		g.alice.run(`$("#stop").click()`)
		g.alice.shows("")
		g.bob.until("sees the camera", "!call.remoteTracks.screen && call.remoteTracks.video && grows(decoded)")
		g.hangsUp()
	}},
	"listening": {before: withoutMicrophone, check: func(g *guideRun) {
		g.calls()
		g.bob.until("is in a call without sound", `call.state === "connected" && !call.remoteTracks.audio`)
		g.alice.shows("no microphone was found: connect one")
		g.alice.seesVideo()
		g.alice.run("connectMicrophone()")
		g.bob.until("hears the microphone", "call.remoteTracks.audio")
		g.hangsUp()
	}},
	"ringtones": {before: keepSounds, check: func(g *guideRun) {
		g.calls()
		g.alice.shows("Click anywhere to hear the ringtone")
		g.alice.until("is silent", "!rings()")
		g.alice.takesPart()
		g.alice.until("rings", `rings() && $("#state").textContent === ""`)
		g.bob.run("call.cancel()")
		g.alice.until("is silent again", "!rings()")
		g.alice.run("void mine.call('bob')")
		g.alice.until("hears that it rings there", "rings()")
		g.alice.run("mine.activeCall.cancel()")
		g.alice.until("hears nothing any more", "!rings()")
	}},
	"quality": {inCall: true, options: `iceTransportPolicy: "relay"`, check: func(g *guideRun) {
		g.alice.until("shows numbers", `/^\d+ ms, \d+ % lost, score [1-4]/.test($("#state").textContent)`)
		g.alice.until("shows a warning", `!$("#relay").hidden && $("#one_way_media").hidden`)
		g.hangsUp()
	}},
	"errors": {before: withoutMicrophone, check: func(g *guideRun) {
		g.alice.run(`$("#call").click()`)
		g.alice.shows("Connect a microphone, then call again")
		g.alice.run("connectMicrophone()")
		g.alice.run(`$("#call").click()`)
		g.bob.until("rings", `call?.state === "ringing"`)
		g.alice.run(`$("#call").click()`)
		g.alice.shows("there is a call already: one at a time")
		g.alice.run("mine.close()")
		g.alice.shows("logged out")
	}},
	"reconnecting": {check: func(g *guideRun) {
		g.calls()
		g.alice.until("rings", `mine.activeCall?.state === "ringing"`)
		g.alice.run("mine.activeCall.accept()")
		g.alice.shows("In a call with bob")
		g.s.stop(syscall.SIGKILL)
		g.alice.until("shows that it is offline", `!$("#offline").hidden`)
		g.s.start()
		g.alice.until("shows that it is online", `$("#offline").hidden`)

		address, err := evaluate[string](g.bob, "location.href")
		if err != nil {
			g.bob.t.Fatal(err)
		}
		g.bob.run(`location.href = "about:blank"; void 0`)
		g.alice.shows("Restoring the connection…")
		if err := chromedp.Do(g.bob.ctx, chromedp.Navigate(address)); err != nil {
			g.bob.t.Fatal(err)
		}
		g.bob.logIn(g.s, "bob", "{}")
		g.alice.shows("In a call with bob")

		if err := chromedp.Do(g.alice.ctx, chromedp.Reload()); err != nil {
			g.alice.t.Fatal(err)
		}
		g.alice.ready()
		g.alice.shows("In a call with bob")
		g.alice.seesVideo()
		g.bob.run("client.activeCall.hangup()")
	}},
}

// callsInFiveLines has the first page of getting started call bob.
func callsInFiveLines(t *testing.T, browser context.Context, s *server, bob *page, five snippet) {
	html := "<!doctype html>" + strings.ReplaceAll(five.text, "http://127.0.0.1:7325", s.url())
	alice := open(t, browser, serveSnippet(t, s, html).URL)
	alice.account = "alice"
	bob.until("rings", `call?.state === "ringing" && call.peer === "alice"`)
	bob.run("call.accept()")
	alice.until("sees the other side", `document.querySelector("#remote video")?.getVideoPlaybackQuality().totalVideoFrames > 5`)
	bob.run("call.hangup()")
	bob.until("is idle", "client.activeCall === null")
}

// The snippet of each guide does what its page says, and so does the first of getting started.
func TestGuides(t *testing.T) {
	code := map[string]string{}
	for _, s := range used(t, "guide") {
		name, found := strings.CutSuffix(strings.TrimPrefix(s.file, "build/tasks/"), ".zh-CN.md")
		if found {
			continue // TestGuidesInBothLanguages compares them.
		}
		name = strings.TrimSuffix(name, ".md")
		if code[name] != "" {
			t.Errorf("%s has more than one snippet for TestGuides", name)
		}
		code[name] = s.text
	}
	s := startServer(t)
	// As people's browsers are: with several devices, and silent before a click.
	browser := startBrowser(t, chromedp.Flag("use-fake-device-for-media-stream", "device-count=3"),
		chromedp.Flag("autoplay-policy", "document-user-activation-required"))
	bob := open(t, browser, application(t, s).URL)
	bob.logIn(s, "bob", "{}")
	for name := range code {
		if guideTests[name].check == nil {
			t.Errorf("%s: no test knows what its snippet does", name)
		}
	}
	t.Run("five lines", func(t *testing.T) {
		five := used(t, "five")
		if len(five) != 2 || five[0].text != five[1].text {
			t.Fatal("getting started does not begin with the same five lines in both languages")
		}
		callsInFiveLines(t, browser, s, &page{t: t, ctx: bob.ctx, account: "bob"}, five[0])
	})
	for name, g := range guideTests {
		t.Run(name, func(t *testing.T) {
			if code[name] == "" {
				t.Fatalf("%s.md has no snippet marked guide", name)
			}
			// The server limits how often one account may call another.
			alice := g.page(t, browser, s, "alice."+name, code[name])
			bob := &page{t: t, ctx: bob.ctx, account: "bob"}
			if g.inCall {
				bob.until("rings", `call?.state === "ringing"`)
				bob.run("call.accept()")
			}
			alice.ready()
			g.check(&guideRun{s, alice, bob})
			bob.until("is idle", "client.activeCall === null")
		})
	}
}

// compileVue turns a component of Vue into TypeScript, template and all. What the template
// uses and the script does not have would be looked up in _ctx.
const compileVue = `
import { compileScript, parse } from "@vue/compiler-sfc";
import { readFileSync, writeFileSync } from "node:fs";
const { descriptor, errors } = parse(readFileSync("Phone.vue", "utf8"));
const { content } = compileScript(descriptor, { id: "phone", inlineTemplate: true });
if (errors.length > 0 || content.includes("_ctx.")) throw new Error(errors.join() || content);
writeFileSync("Phone.vue.ts", content);
`

// The components of the guide to frameworks compile in strict TypeScript.
func TestFrameworkSnippets(t *testing.T) {
	web, err := filepath.Abs("../web")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{
		"extends": "%[1]s/tsconfig.json",
		"compilerOptions": {
			"jsx": "react-jsx", "noUnusedParameters": false,
			"paths": {
				"peal-rtc": ["%[1]s/dist/sdk/peal.d.ts"],
				"peal-rtc/react": ["%[1]s/dist/sdk/react.d.ts"],
				"peal-rtc/vue": ["%[1]s/dist/sdk/vue.d.ts"]
			}
		},
		"include": ["."], "exclude": ["node_modules"]
	}`, web)
	dir := t.TempDir()
	linkModules(t, dir)
	files := map[string]string{"tsconfig.json": config, "compile.mjs": compileVue}
	for _, s := range used(t, "checked") {
		files["Phone."+s.language] = s.text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runIn(t, dir, "node", "compile.mjs")
	runIn(t, dir, filepath.Join(web, "node_modules/.bin/tsc"), "-p", dir)
}
