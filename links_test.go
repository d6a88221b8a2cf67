package peal_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// lineMost is how many characters a line of a Markdown page has at most. Tables, code and what
// cannot be broken may be longer.
const lineMost = 100

var (
	pageLink  = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)|^\s*\[[^\]]+\]: *(\S+)|(?:href|src)="([^"]+)"`)
	codeSpan  = regexp.MustCompile("``[^`]+``|`[^`]+`")
	fenceMark = regexp.MustCompile("^ *(```+|~~~+)")
	heading   = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	linkText  = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	tag       = regexp.MustCompile(`<[^>]+>`)
	named     = regexp.MustCompile(`(?:id|name)="([^"]+)"`)
	marker    = regexp.MustCompile(`^\s*(?:[-*+]|\d+[.)])\s+`)
)

// page is what the tests look at of a Markdown page.
type page struct {
	links   []string
	anchors map[string]bool
	long    []string
}

// read parses a page, line by line: of Markdown it knows what these pages use.
func read(text string) page {
	p := page{anchors: make(map[string]bool)}
	times := make(map[string]int)
	fence := ""
	for i, line := range strings.Split(text, "\n") {
		if m := fenceMark.FindStringSubmatch(line); fence == "" && m != nil {
			fence = m[1]
			continue
		}
		if fence != "" {
			if strings.TrimSpace(line) == fence {
				fence = ""
			}
			continue
		}
		plain := codeSpan.ReplaceAllString(line, "")
		for _, m := range pageLink.FindAllStringSubmatch(plain, -1) {
			p.links = append(p.links, m[1]+m[2]+m[3])
		}
		for _, m := range named.FindAllStringSubmatch(plain, -1) {
			p.anchors[m[1]] = true
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			anchor := anchorOf(m[1])
			if n := times[anchor]; n > 0 {
				p.anchors[fmt.Sprintf("%s-%d", anchor, n)] = true
			} else {
				p.anchors[anchor] = true
			}
			times[anchor]++
		}
		if utf8.RuneCountInString(line) > lineMost && breakable(line) {
			p.long = append(p.long, fmt.Sprintf("line %d has %d characters", i+1, utf8.RuneCountInString(line)))
		}
	}
	return p
}

// breakable says that a line could be two. Code that is indented, tables, headings and HTML cannot.
func breakable(line string) bool {
	text := marker.ReplaceAllString(line, "")
	if text == line && strings.HasPrefix(line, "    ") || strings.HasPrefix(strings.TrimSpace(text), "|") || heading.MatchString(line) || strings.HasPrefix(line, "<") || strings.HasPrefix(line, "[") && strings.Contains(line, "]: ") {
		return false
	}
	text = codeSpan.ReplaceAllStringFunc(strings.TrimSpace(text), func(code string) string { return strings.ReplaceAll(code, " ", "_") })
	return strings.Contains(text, " ")
}

// anchorOf is the anchor that GitHub gives a heading.
func anchorOf(text string) string {
	text = tag.ReplaceAllString(linkText.ReplaceAllString(text, "$1"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return '-'
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

// pages are the Markdown pages of the project.
func pages(t *testing.T) map[string]page {
	t.Helper()
	// Not only those that are committed, but none that is ignored.
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	all := make(map[string]page)
	for name := range strings.FieldsSeq(string(out)) {
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // Deleted, and not committed yet.
		}
		if err != nil {
			t.Fatal(err)
		}
		all[name] = read(string(text))
	}
	return all
}

// TestLinks: each link of a page within the project leads to a file, and to a heading of it.
func TestLinks(t *testing.T) {
	all, n := pages(t), 0
	for name, p := range all {
		for _, link := range p.links {
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			n++
			file, anchor, _ := strings.Cut(link, "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", name, link)
				continue
			}
			if other, is := all[target]; anchor != "" && is && !other.anchors[anchor] {
				t.Errorf("%s links to %s, and %s has no such heading", name, link, target)
			}
		}
	}
	if n < 300 {
		t.Errorf("%d links in %d pages", n, len(all))
	}
}

// TestPagesAreReachable: a reader who begins with README.md finds each page by links, and within the
// documentation by those of its index alone.
func TestPagesAreReachable(t *testing.T) {
	all := pages(t)
	for first, within := range map[string]string{"README.md": "", "README.zh-CN.md": "", "docs/README.md": "docs/", "docs/README.zh-CN.md": "docs/"} {
		found, next := map[string]bool{first: true}, []string{first}
		for len(next) > 0 {
			name := next[0]
			next = next[1:]
			for _, link := range all[name].links {
				file, _, _ := strings.Cut(link, "#")
				target := path.Join(path.Dir(name), file)
				if _, page := all[path.Join(target, "README.md")]; page {
					target = path.Join(target, "README.md")
				}
				if _, page := all[target]; page && !found[target] && strings.HasPrefix(target, within) {
					found[target] = true
					next = append(next, target)
				}
			}
		}
		for name := range all {
			if strings.HasPrefix(name, "docs/") && !found[name] {
				t.Errorf("from %s on no link leads to %s", first, name)
			}
		}
	}
}

// TestLinesOfPages: pages are readable in a terminal, and a change of a sentence changes few lines.
func TestLinesOfPages(t *testing.T) {
	for name, p := range pages(t) {
		if !slices.Contains(writtenPages, name) && len(p.long) > 0 {
			t.Errorf("%s: %s; want %d at most", name, strings.Join(p.long, ", "), lineMost)
		}
	}
}

// writtenPages are written by a program.
var writtenPages = []string{"docs/build/reference.md"}

// TestReading holds what the tests above take for links, anchors and lines.
func TestReading(t *testing.T) {
	p := read("# A *b* `c`: d-e_f\n## [中文](x.md#y), ok\n## Same\n## Same\n" +
		"a [b](c.md) `[d](e.md)` ![f](<g.png>)\n```sh\n[h](i.md)\n# no\n```\n[j]: k.md\n<a href=\"l.md\" id=\"m\">\n" +
		strings.Repeat("n ", 51) + "\n" + strings.Repeat("o", 101) + "\n| " + strings.Repeat("p ", 51) + "|\n- `" + strings.Repeat("q ", 51) + "`\n")
	if want := []string{"x.md#y", "c.md", "g.png", "k.md", "l.md"}; !slices.Equal(p.links, want) {
		t.Errorf("links %q, want %q", p.links, want)
	}
	for _, anchor := range []string{"a-b-c-d-e_f", "中文-ok", "same", "same-1", "m"} {
		if !p.anchors[anchor] {
			t.Errorf("no anchor %s among %v", anchor, p.anchors)
		}
	}
	if len(p.anchors) != 5 {
		t.Errorf("%d anchors: %v", len(p.anchors), p.anchors)
	}
	if len(p.long) != 1 || !strings.HasPrefix(p.long[0], "line 12 ") {
		t.Errorf("long lines %v", p.long)
	}
}
