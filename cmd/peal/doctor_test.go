package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/doctor"
)

// Every flag that the doctor names, on the command line or on its page, is there.
func TestDoctorNamesFlags(t *testing.T) {
	flag := regexp.MustCompile(`--[a-z][a-z-]+`)
	var known []string
	for _, command := range []string{"serve", "dev", "doctor", "token"} {
		_, out, _ := peal(command, "--help")
		known = append(known, flag.FindAllString(out, -1)...)
	}
	named := 0
	for _, pattern := range []string{"../../internal/doctor/*.go", "../../web/doctor/src/*.ts"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range flag.FindAllString(string(text), -1) {
				named++
				if !slices.Contains(known, strings.TrimSuffix(one, "-")) {
					t.Errorf("%s names %s, which is no setting", file, one)
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d flags were found in the texts", named)
	}
}

func TestDoctorLine(t *testing.T) {
	for _, test := range []struct {
		result doctor.Result
		want   string
	}{
		{doctor.Result{Check: "stun", State: doctor.OK, Seen: "it answers", Took: 3e6}, "ok           stun          it answers  (3 ms)\n"},
		{doctor.Result{Check: "relay-direct", State: doctor.NotChecked, Seen: "no way"}, "not checked  relay-direct  no way\n"},
		{
			doctor.Result{Check: "turn-udp", State: doctor.Failed, Seen: "nothing", Settings: []string{"--a", "--b"}, Advice: "Mend it.", Took: 1.25e9},
			"failed       turn-udp      nothing  (1.2 s)\n                           --a, --b: Mend it.\n",
		},
		{
			doctor.Result{Check: "server", State: doctor.Warning, Seen: "it stops", Advice: "Wait.", Took: 0},
			"warning      server        it stops  (0 ms)\n                           Wait.\n",
		},
	} {
		if got := line(test.result); got != test.want {
			t.Errorf("got\n%swant\n%s", got, test.want)
		}
	}
}
