package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// ReadResults reads JSON lines as a benchmark prints them.
func ReadResults(r io.Reader) ([]Result, error) {
	var list []Result
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var result Result
		if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		list = append(list, result)
	}
	return list, lines.Err()
}

// ReadNotes reads what people say about the sections of a page: "## name" and below it a paragraph. A name that no section
// has is an error.
func ReadNotes(text string) (map[string]string, error) {
	notes := map[string]string{}
	for part := range strings.SplitSeq("\n"+text, "\n## ") {
		name, note, _ := strings.Cut(part, "\n")
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if name != introduction && !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			var known []string
			for _, s := range sections {
				known = append(known, s.name)
			}
			return nil, fmt.Errorf("there is no section %q for a note: use %s or one of %s", name, introduction, strings.Join(known, ", "))
		}
		if note = strings.TrimSpace(note); note != "" {
			notes[name] = note
		}
	}
	return notes, nil
}

// introduction is the name of the note at the top of the page.
const introduction = "introduction"

// pageHead says how to read the page.
const pageHead = `# Performance

Written by ` + "`nightlab report`" + ` from the runs in [performance/](performance/) and the notes beside them; ` + "`docs/performance/measure.sh`" + ` runs
them again and writes this page.

Rates are measured on random weights of a named shape; what depends on what a model has learned, on the model that ships.
Whatever is compared ran in the same blocks, in random order: ratios and shares are medians of the ratios within a block, with a 95 %
interval for the median in brackets. "Of the limit" is the rate as a share of what the machine could do at most in the same
block: the memory bandwidth and the matrix rate that were measured there bound it. Rates differ from machine to machine; shares and
ratios hardly do.
`

// Page makes the page of documentation from the lines of any number of runs, and compares them with peers. Lines of single blocks are not
// shown; where two lines are about the same case, the later one is. A section without lines is left out.
func Page(lines []Result, notes map[string]string, peers []Peer) (string, error) {
	lines = compared(lines, peers)
	var page strings.Builder
	page.WriteString(pageHead)
	for _, p := range peers {
		fmt.Fprintf(&page, "\n%s", p.explain())
	}
	if note := notes[introduction]; note != "" {
		fmt.Fprintf(&page, "\n%s\n", note)
	}
	shown := 0
	for _, s := range sections {
		groups := s.groups(lines)
		if len(groups) == 0 {
			continue
		}
		shown++
		if s.peers {
			s.columns = slices.Clone(s.columns)
			for _, p := range peers {
				s.columns = append(s.columns, p.column())
			}
		}
		fmt.Fprintf(&page, "\n## %s\n", s.title)
		if note := notes[s.name]; note != "" {
			fmt.Fprintf(&page, "\n%s\n", note)
		}
		s.table(&page, groups)
		s.chart(&page, groups)
	}
	if shown == 0 {
		return "", errors.New("make the page: the files have no line over all blocks of any benchmark")
	}
	return page.String(), nil
}

// group are the lines of a section that differ in x alone, in the order of x.
type group struct {
	key   string
	lines []Result
}

// groups picks the section's lines.
func (s section) groups(lines []Result) []group {
	type place struct{ key, x string }
	latest := map[place]Result{}
	for _, l := range lines {
		if l.Bench == s.bench && l.Block == 0 && l.Summary == s.summary && (len(s.cases) == 0 || slices.Contains(s.cases, l.Case)) {
			latest[place{s.key(l), text(l, s.x)}] = l
		}
	}
	byKey := map[string][]Result{}
	for at, l := range latest {
		byKey[at.key] = append(byKey[at.key], l)
	}
	var list []group
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		g := group{key, byKey[key]}
		if len(g.lines) < s.minLines {
			continue
		}
		slices.SortFunc(g.lines, s.compare)
		list = append(list, g)
	}
	return list
}

// key is what the lines of a group have in common.
func (s section) key(l Result) string {
	var parts []string
	for _, k := range s.by {
		if v := text(l, k); v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, ", ")
}

// compare orders lines by x: numbers by size, shapes and cases as the tables here list them.
func (s section) compare(a, b Result) int {
	va, oka := a.Figure(s.x)
	vb, okb := b.Figure(s.x)
	if oka && okb {
		return cmp.Compare(va, vb)
	}
	rank := func(r Result) int { return slices.Index(ranking, text(r, s.x)) }
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra - rb
	}
	return strings.Compare(text(a, s.x), text(b, s.x))
}

// ranking orders what is not a number.
var ranking = []string{"demo", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "base", "one", "mixed", "engine", "http", "still", "swaps", "cold", "warm", "quiet", "neighbour", "local", "redis", "f32", "int8", "int4",
	"server alone", "server at night", "night", "server and night"}

// text is a field of a line as the page shows it: a number behind its name.
func text(l Result, field string) string {
	switch field {
	case "shape":
		return l.Shape
	case "weights":
		return l.Weights
	case "case":
		return l.Case
	case "threads":
		return fmt.Sprintf("%d threads", l.Threads)
	}
	if v, ok := l.Figure(field); ok {
		return field + " " + short(v)
	}
	return ""
}
