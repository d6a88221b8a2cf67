package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serveWith has peal serve read settings, and stops it before it listens: its data folder
// cannot be made. What it says is about the settings where they are refused.
func serveWith(t *testing.T, flags ...string) string {
	t.Helper()
	code, out, complaint := peal(append([]string{"serve", "--data", os.DevNull + "/data"}, flags...)...)
	if code == exitOK || out != "" {
		t.Fatalf("exit code %d, %q", code, out)
	}
	return complaint
}

// goodSettings is what serveWith says where no setting is refused.
const goodSettings = "not a directory"

// A duration without a unit means something else to everyone: it is refused wherever it
// comes from. Zero needs no unit.
func TestDurationsHaveUnits(t *testing.T) {
	for content, says := range map[string]string{
		`"timing": {"ring": 60}`:              `--timing-ring: 60 has no unit: write it as text with one, such as "60s"`,
		`"timing": {"ring": 0.5}`:             `--timing-ring: 0.5 has no unit`,
		`"timing": {"ring": "60"}`:            `--timing-ring: "60" has no unit: give one, such as "60s"`,
		`"timing": {"ring": "soon"}`:          `--timing-ring: "soon" is not a duration: give a number and a unit, such as 90s, 10m or 24h`,
		`"timing": {"ring": true}`:            `--timing-ring: true is not a duration`,
		`"timing": {"ring": "60s"}`:           goodSettings,
		`"keep_records": 4320`:                `--keep-records: 4320 has no unit`,
		`"hsts": 4320`:                        `--hsts`,
		`"limits": {"declined_pause": 0}`:     goodSettings,
		`"limits": {"declined_pause": "0s"}`:  goodSettings,
		`"limits": {"declined_pause": "1ms"}`: "limits-declined-pause is 1ms: give 1s or more, or 0s for none",
	} {
		file := write(t, `{"secret": "`+secret+`", `+content+`}`)
		if got := serveWith(t, "--config", file); !strings.Contains(got, says) {
			t.Errorf("%s: got %q, want %q", content, got, says)
		}
	}
	if got := serveWith(t, "--secret", secret, "--timing-ring", "60"); !strings.Contains(got, `"60" has no unit`) {
		t.Errorf("by a flag: %s", got)
	}
	t.Setenv("PEAL_TIMING_RING", "60")
	if got := serveWith(t, "--secret", secret); !strings.Contains(got, `"60" has no unit`) {
		t.Errorf("by the environment: %s", got)
	}
}

// One setting that the file spells in two ways has two values, of which one would win.
func TestSettingSpeltTwice(t *testing.T) {
	for content, says := range map[string]string{
		`"addr": ":1", "addr": ":2"`:                                                     `the file gives addr twice, as "addr" and "addr": leave one out`,
		`"turn": {"addr": ":1"}, "turn-addr": ":2"`:                                      `the file gives turn-addr twice, as "turn.addr" and "turn-addr": leave one out`,
		`"turn_addr": ":1", "turn": {"addr": ":2"}`:                                      `"turn_addr" and "turn.addr"`,
		`"turn-min-port": 1, "turn_min_port": 2`:                                         `"turn-min-port" and "turn_min_port"`,
		`"turn": {"min": {"port": 1}}, "turn": {"min-port": 2}`:                          `"turn.min.port" and "turn.min-port"`,
		`"keys": {"a": "` + secret + `", "a": "` + secret + `"}`:                         `the file gives keys.a twice`,
		`"keys": {"a_b": "` + secret + `", "a-b": "` + secret + `"}`:                     goodSettings,
		`"turn": {"addr": ":1", "announce": "192.0.2.1"}, "turn": {"host": "a.example"}`: goodSettings,
	} {
		file := write(t, `{"secret": "`+secret+`", `+content+`}`)
		if got := serveWith(t, "--config", file); !strings.Contains(got, says) || strings.Contains(got, secret) {
			t.Errorf("%s: got %q, want %q", content, got, says)
		}
	}
}

// An empty variable is as good as none: what starts the server often sets all of them.
func TestEmptyEnvironment(t *testing.T) {
	for _, name := range []string{
		"PEAL_CONFIG", "PEAL_ADDR", "PEAL_DATA", "PEAL_DURABLE", "PEAL_KEEP_RECORDS", "PEAL_TIMING_RING", "PEAL_SINGLE_LOGIN",
		"PEAL_ORIGINS", "PEAL_KEYS", "PEAL_KEY_ID", "PEAL_TURN_MIN_PORT", "PEAL_HSTS", "PEAL_LOG_LEVEL",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "")
			if got := serveWith(t, "--secret", secret); !strings.Contains(got, goodSettings) {
				t.Errorf("got %s", got)
			}
		})
	}
	t.Run("the file holds", func(t *testing.T) {
		t.Setenv("PEAL_ADDR", "")
		if got := serveWith(t, "--config", write(t, `{"secret": "`+secret+`", "addr": "of the file"}`)); !strings.Contains(got, `addr is "of the file"`) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("required", func(t *testing.T) {
		t.Setenv("PEAL_SERVER", "")
		if code, _, got := peal("ice", "--account", "a"); code != exitUsage || !strings.Contains(got, "missing flags: --server=URL") {
			t.Errorf("exit code %d, %s", code, got)
		}
	})
}

// Lists have one separator, and blanks around it are not part of what is listed.
func TestLists(t *testing.T) {
	for list, says := range map[string]string{
		"a.example,b.example":      goodSettings,
		" a.example , b.example, ": goodSettings,
		"a.example,/x":             `origins has "/x"`,
		"a.example;b.example":      `origins has "a.example;b.example"`,
		"a.example b.example":      `origins has "a.example b.example"`,
		"a.example,,b.example":     goodSettings,
	} {
		t.Run(list, func(t *testing.T) {
			if got := serveWith(t, "--secret", secret, "--origins", list); !strings.Contains(got, says) {
				t.Errorf("by a flag: got %q, want %q", got, says)
			}
			if got := serveWith(t, "--config", write(t, `{"secret": "`+secret+`", "origins": "`+list+`"}`)); !strings.Contains(got, says) {
				t.Errorf("by the file: got %q, want %q", got, says)
			}
			t.Setenv("PEAL_ORIGINS", list)
			if got := serveWith(t, "--secret", secret); !strings.Contains(got, says) {
				t.Errorf("by the environment: got %q, want %q", got, says)
			}
		})
	}
	if got := serveWith(t, "--secret", secret, "--origins", "a.example", "--origins", "/x,/y"); !strings.Contains(got, `"/x"`) || !strings.Contains(got, `"/y"`) {
		t.Errorf("repeated: %s", got)
	}
	for list, says := range map[string]string{
		`["a.example", "/x"]`: `origins has "/x"`,
		`["a.example", 5]`:    "--origins: a list holds texts alone",
		`{"a": "b"}`:          "origins-a",
		`5`:                   "--origins: give a list, such as",
	} {
		if got := serveWith(t, "--config", write(t, `{"secret": "`+secret+`", "origins": `+list+`}`)); !strings.Contains(got, says) {
			t.Errorf("%s: got %q, want %q", list, got, says)
		}
	}
}

// The separator of keys is that of all lists, and no complaint shows a secret.
func TestKeys(t *testing.T) {
	other := strings.Repeat("o", 31) + "="
	for list, says := range map[string]string{
		"old=" + secret + ",older=" + other:  goodSettings,
		"old=" + secret + ", older=" + other: goodSettings,
		"old=" + secret + ";older=" + other:  `--keys: ids and secrets are separated by commas`,
		"old=" + secret + ",old=" + other:    `--keys: the id "old" is given twice`,
		secret:                               `--keys: give ID=SECRET, separated by commas`,
		"old=" + secret + "," + other[:30]:   `--keys: give ID=SECRET, separated by commas`,
	} {
		if got := serveWith(t, "--secret", secret, "--keys", list); !strings.Contains(got, says) || strings.Contains(got, secret) || strings.Contains(got, "ooo") {
			t.Errorf("%q: got %q, want %q", list, got, says)
		}
		t.Run("by the environment", func(t *testing.T) {
			t.Setenv("PEAL_KEYS", list)
			if got := serveWith(t, "--secret", secret); !strings.Contains(got, says) || strings.Contains(got, secret) || strings.Contains(got, "ooo") {
				t.Errorf("%q: got %q, want %q", list, got, says)
			}
		})
	}
	for keys, says := range map[string]string{
		`{"old": "` + secret + `;a=b"}`: goodSettings,
		`{"old": 5}`:                    `--keys: the secret of "old" is not text`,
		`["` + secret + `"]`:            `--keys: give an object`,
	} {
		got := serveWith(t, "--config", write(t, `{"secret": "`+secret+`", "keys": `+keys+`}`))
		if !strings.Contains(got, says) || strings.Contains(got, secret) {
			t.Errorf("%s: got %q, want %q", keys, got, says)
		}
	}
}

// The secret may come from a file, so that no list of processes shows it.
func TestSecretFile(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, short := file("secret", secret+"\n"), file("short", "x\n")
	for _, test := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--secret-file", good}, goodSettings},
		{[]string{"--secret-file", file("crlf", secret+"\r\n")}, goodSettings},
		{[]string{"--secret-file", short}, "the secret has 1 bytes"},
		{[]string{"--secret-file", file("empty", "\n")}, "empty holds no secret: write one by `(umask 077; openssl rand -base64 32 > "},
		{[]string{"--secret-file", file("long", strings.Repeat("x", 5000))}, "long has more than 4096 bytes"},
		{[]string{"--secret-file", filepath.Join(folder, "none")}, "read secret-file: open "},
		{[]string{"--secret-file", good, "--secret", secret}, "secret and secret-file are both given: leave one out"},
		{[]string{"--config", write(t, `{"secret_file": "`+good+`"}`)}, goodSettings},
	} {
		if got := serveWith(t, test.flags...); !strings.Contains(got, test.says) {
			t.Errorf("%v: got %q, want %q", test.flags, got, test.says)
		}
	}
	_, want, _ := peal("token", "--account", "a", "--secret", secret, "--ttl", "1h")
	code, got, complaint := peal("token", "--account", "a", "--secret-file", good, "--ttl", "1h")
	if header, _, _ := strings.Cut(want, "."); code != exitOK || !strings.HasPrefix(got, header+".") {
		t.Errorf("peal token: exit code %d, %s", code, complaint)
	}
	if code, _, complaint := peal("token", "--account", "a", "--secret-file", short); code != exitFailed || !strings.Contains(complaint, "at least 32") {
		t.Errorf("peal token of a short one: exit code %d, %s", code, complaint)
	}
	if code, _, complaint := peal("token", "--account", "a", "--secret-file", good, "--secret", secret); code != exitFailed || !strings.Contains(complaint, "both given") {
		t.Errorf("peal token of two: exit code %d, %s", code, complaint)
	}
	if code, _, complaint := peal("bench", "http://127.0.0.1:1", "--secret-file", short); code != exitUsage || !strings.Contains(complaint, "at least 32") {
		t.Errorf("peal bench of a short one: exit code %d, %s", code, complaint)
	}

	t.Setenv("CREDENTIALS_DIRECTORY", folder)
	if got := serveWith(t); !strings.Contains(got, goodSettings) {
		t.Errorf("by systemd: %s", got)
	}
	if got := serveWith(t, "--secret-file", short); !strings.Contains(got, "1 bytes") {
		t.Errorf("a file comes before systemd: %s", got)
	}
	t.Setenv("PEAL_SECRET_FILE", short)
	if got := serveWith(t); !strings.Contains(got, "1 bytes") {
		t.Errorf("by the environment: %s", got)
	}
	t.Setenv("PEAL_SECRET_FILE", "")
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	if got := serveWith(t); !strings.Contains(got, "no secret: make one") {
		t.Errorf("systemd without a secret: %s", got)
	}
}

// A secret is used as it is written, so a warning names what looks like a slip.
func TestSecretLooksWrong(t *testing.T) {
	t.Setenv("PEAL_SECRET", secret+"\n")
	got := serveWith(t)
	for _, want := range []string{`level=WARN msg="setting looks wrong" setting=secret`, "ends with a line break", goodSettings} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if strings.Contains(got, secret) {
		t.Errorf("shows the secret: %s", got)
	}
}
