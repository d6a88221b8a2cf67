package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shipped reads a file of deploy.
func shipped(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startsBut has peal serve read settings, and stops it at its data folder, which cannot be
// made: nothing before that may be wrong.
func startsBut(t *testing.T, args ...string) {
	t.Helper()
	code, out, complaint := peal(append([]string{"serve", "--data", filepath.Join(os.DevNull, "data")}, args...)...)
	if code != exitFailed || !strings.Contains(complaint, "not a directory") {
		t.Errorf("exit code %d, %s, %s", code, out, complaint)
	}
}

// Every variable and flag in the files of deploy is one of peal serve.
func TestDeployKnowsSettings(t *testing.T) {
	_, help, _ := peal("serve", "--help")
	var (
		variable = regexp.MustCompile(`\bPEAL_[A-Z_]+`)
		command  = regexp.MustCompile(`peal serve[^\n]*|CMD[^\n]*`)
		flag     = regexp.MustCompile(`--[a-z][a-z-]*`)
		known    = append(variable.FindAllString(help, -1), flag.FindAllString(help, -1)...)
	)
	if len(known) < 100 {
		t.Fatalf("found %v in the help", known)
	}
	for file, least := range map[string]int{"Dockerfile": 1, "compose.yaml": 7, "peal.service": 2, "debian/postinst": 0} {
		text := shipped(t, file)
		used := variable.FindAllString(text, -1)
		for _, line := range command.FindAllString(text, -1) {
			used = append(used, flag.FindAllString(line, -1)...)
		}
		if len(used) < least {
			t.Errorf("%s: found %v alone", file, used)
		}
		for _, name := range used {
			if !slices.Contains(known, name) {
				t.Errorf("%s has %s, which is no setting", file, name)
			}
		}
	}
}

// What the Debian package makes of the settings is good, but for the names of the example.
func TestDeployedFile(t *testing.T) {
	const place = `"secret": ""`
	text := shipped(t, "peal.json")
	if !strings.Contains(text, place) || !strings.Contains(shipped(t, "debian/postinst"), strings.ReplaceAll(place, `"`, `\"`)) {
		t.Fatalf("no place for the secret in %s", text)
	}
	startsBut(t, "--config", write(t, strings.Replace(text, place, `"secret": "`+secret+`"`, 1)))
	// Nobody starts with a secret that everybody knows.
	if code, _, complaint := peal("serve", "--config", write(t, text)); code != exitFailed || !strings.Contains(complaint, "no secret") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
}

func TestDeployedCompose(t *testing.T) {
	text := shipped(t, "compose.yaml")
	given := map[string]string{
		"PEAL_SECRET": secret, "PEAL_ACME_DOMAIN": "calls.example.com", "PEAL_TURN_ANNOUNCE": "203.0.113.7",
	}
	values := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^ {6}(PEAL_[A-Z_]+): (.*)$`).FindAllStringSubmatch(text, -1) {
		name, value := line[1], strings.Trim(line[2], `"`)
		if asked, is := strings.CutPrefix(value, "${"); is {
			asked, _, _ = strings.Cut(asked, ":?")
			value = given[asked]
		}
		values[name] = value
		t.Setenv(name, value)
	}
	if len(values) < 7 {
		t.Fatalf("found %v", values)
	}
	startsBut(t)
	for _, port := range []string{
		`"443` + values["PEAL_ADDR"] + `/tcp"`, `"3478:3478/udp"`, `"3478:3478/tcp"`,
		`"` + strings.Repeat(":"+values["PEAL_TURN_MIN_PORT"]+"-"+values["PEAL_TURN_MAX_PORT"], 2)[1:] + `/udp"`,
	} {
		if !strings.Contains(text, port) {
			t.Errorf("does not publish %s", port)
		}
	}
	image := shipped(t, "Dockerfile")
	for _, both := range []string{"65532:65532", "/var/lib/peal"} {
		if !strings.Contains(text, both) || !strings.Contains(image, both) {
			t.Errorf("%s is not in both compose.yaml and Dockerfile", both)
		}
	}
}

// The unit has what the server needs of it; that systemd takes it, systemd-analyze says.
func TestDeployedUnit(t *testing.T) {
	unit := shipped(t, "peal.service")
	for _, line := range []string{
		"Wants=network-online.target time-sync.target", "After=network-online.target time-sync.target",
		"LoadCredential=peal.json:/etc/peal/peal.json", "Environment=PEAL_CONFIG=%d/peal.json PEAL_DATA=%S/peal",
		"StateDirectory=peal", "User=peal", "LimitNOFILE=1048576", "ExecStart=/usr/bin/peal serve", "NoNewPrivileges=yes", "ProtectSystem=strict",
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("lacks %s", line)
		}
	}
}
