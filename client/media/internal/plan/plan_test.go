package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/device"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// Transcripts are inputs, one a line, and below each its orders. The tests of the plan in
// TypeScript play the same files; -update rewrites them.
//
//	# comment; a line of = begins with a new plan for this call
//	= caller ringing gen=1 rebuild=1
//	+ updated caller gen=1 rebuild=1 changes=accepted of=1 answer=a1
//	  apply 1 a1
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		var p *Plan
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "  ") {
				continue
			}
			got.WriteString(line)
			w := wordsOf(line)
			switch w.sign {
			case "=":
				p = New(w.call())
			case "+":
				for _, o := range p.Step(w.input(t)) {
					got.WriteString("  " + lineOf(o) + "\n")
				}
			}
		}
		if *update {
			if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(text), got.String()); diff != "" && !*update {
			t.Errorf("%s (-file +plan):\n%s", path, diff)
		}
	}
}

// words are those of one line: what it is of, and its values by name, of which flags are
// empty.
type words struct {
	sign, kind string
	values     map[string]string
}

func wordsOf(line string) words {
	w := words{values: make(map[string]string)}
	for i, word := range strings.Fields(line) {
		switch {
		case i == 0:
			w.sign = word
			continue
		case i == 1 && w.sign == "+":
			w.kind = word
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		w.values[name] = value
	}
	return w
}

func (w words) has(name string) bool { _, ok := w.values[name]; return ok }

func (w words) number(name string) uint32 {
	n, _ := strconv.Atoi(w.values[name]) // What is not there is 0.
	return uint32(n)
}

func (w words) call() Call {
	return Call{
		Caller: w.has("caller"), Ringing: w.has("ringing"), Generation: w.number("gen"), Rebuild: w.number("rebuild"),
		KeptBack: w.has("kept"), Held: int(w.number("held")),
	}
}

func (w words) input(t *testing.T) Input {
	t.Helper()
	switch w.kind {
	case "calls":
		return Calls{}
	case "invited":
		return Invited{}
	case "merged":
		return Merged{}
	case "rings":
		return Rings{w.call(), w.values["offer"]}
	case "resumed":
		return Resumed{w.call(), w.values["offer"]}
	case "updated":
		u := Updated{Call: w.call(), Begun: w.number("begun"), Generation: w.number("of"), Offer: w.values["offer"], Answer: w.values["answer"]}
		for change := range strings.SplitSeq(w.values["changes"], ",") {
			if change != "" {
				u.Changes = append(u.Changes, device.Change(change))
			}
		}
		return u
	case "accepts":
		return Accepts{w.has("failed")}
	case "accepting":
		return Accepting{}
	case "accepted":
		return Accepted{}
	case "lapsed":
		return Lapsed{w.number("begun")}
	case "lost":
		return Lost{w.number("begun"), w.has("rebuild")}
	}
	t.Fatalf("no input is %q", w.kind)
	return nil
}

func lineOf(o Order) string {
	with := func(text string, flags map[string]bool, names ...string) string {
		for _, name := range names {
			if flags[name] {
				text += " " + name
			}
		}
		return text
	}
	switch o := o.(type) {
	case Offer:
		return with(fmt.Sprint("offer ", o.Generation), map[string]bool{"rebuild": o.Rebuild, "send": o.Send}, "rebuild", "send")
	case Answer:
		return with(fmt.Sprint("answer ", o.Generation, " ", o.Offer), map[string]bool{"rebuild": o.Rebuild, "give": o.Give}, "rebuild", "give")
	case Give:
		return fmt.Sprint("give ", o.Generation)
	case Apply:
		return fmt.Sprint("apply ", o.Generation, " ", o.Answer)
	case Resend:
		return fmt.Sprint("resend ", o.Beyond)
	case Restart:
		return with(fmt.Sprint("restart ", o.FromGeneration), map[string]bool{"rebuild": o.Rebuild}, "rebuild")
	}
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", o), "plan."))
}
