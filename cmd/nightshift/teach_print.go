package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"nightshift/internal/nightrecord"
	"nightshift/internal/teach"
	"nightshift/serve/api/wire"
)

// taughtFact is a fact in the command's JSON.
type taughtFact struct {
	Place    string `json:"place"` // file and line
	Question string `json:"question"`
	Answer   string `json:"answer"`
	wire.TeachState
}

// taughtPair is two facts of one question in the command's JSON.
type taughtPair struct {
	Question string `json:"question"`
	First    string `json:"first"`
	Second   string `json:"second"`
}

// teachReport is the command's JSON.
type teachReport struct {
	Track     string             `json:"track"`
	Batch     string             `json:"batch"`
	Subject   string             `json:"subject"`
	DryRun    bool               `json:"dry_run"`
	Taught    int                `json:"taught"`
	Facts     []taughtFact       `json:"facts"`
	Repeats   []taughtPair       `json:"repeats"`
	Conflicts []taughtPair       `json:"conflicts"` // of which the second was taken
	Notes     []string           `json:"notes"`
	Night     *nightrecord.Night `json:"night,omitempty"`
}

// report is all that became of the facts.
func (l *lessons) report() teachReport {
	pairs := func(list []teach.Pair) []taughtPair {
		out := []taughtPair{}
		for _, p := range list {
			out = append(out, taughtPair{p.First.Question(), p.First.At(), p.Second.At()})
		}
		return out
	}
	r := teachReport{Track: l.opt.track, Batch: l.batch.Digest(), Subject: l.taught.Subject, DryRun: l.opt.dryRun, Taught: l.taught.Taught, Facts: []taughtFact{},
		Repeats: pairs(l.batch.Repeats), Conflicts: pairs(l.batch.Conflicts), Notes: append([]string{}, l.notes...), Night: l.night}
	for i, f := range l.batch.Facts {
		r.Facts = append(r.Facts, taughtFact{f.At(), f.Question(), f.Answer, l.states[i]})
	}
	return r
}

// factWords say what becomes of facts, in the order in which they are counted.
var factWords = []struct{ state, text string }{
	{wire.TeachNew, "new"}, {wire.TeachChanges, "change what is known"}, {wire.TeachLearned, "learned already"}, {wire.TeachSaid, "said already"},
	{wire.TeachTooLong, "too long"}, {wire.TeachRedacted, "with personal data"},
}

// show prints what the facts would change.
func (l *lessons) show(out io.Writer) {
	count := map[string]int{}
	for _, st := range l.states {
		count[st.State]++
	}
	var parts []string
	for _, w := range factWords {
		if n := count[w.state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, w.text))
		}
	}
	fmt.Fprintf(out, "%s in %s for track %s: %s\n", counted(len(l.batch.Facts), "question"), counted(l.files, "file"), l.opt.track, strings.Join(parts, ", "))
	list(out, "\nnew:", l.of(wire.TeachNew, func(f teach.Fact, _ wire.TeachState) string {
		return fmt.Sprintf("  %s  %s\n      %s", f.At(), short(f.Question()), short(f.Answer))
	}))
	list(out, "\nchange what is known:", l.of(wire.TeachChanges, func(f teach.Fact, st wire.TeachState) string {
		return fmt.Sprintf("  %s  %s\n    - %s   (%s)\n    + %s", f.At(), short(f.Question()), short(st.Before), st.By, short(f.Answer))
	}))
	list(out, "\ntoo long for the model, left out:", l.of(wire.TeachTooLong, func(f teach.Fact, st wire.TeachState) string {
		return fmt.Sprintf("  %s  %s: %d tokens with the answer, and the context has %d", f.At(), short(f.Question()), st.Tokens, l.taught.Context)
	}))
	list(out, "\nwith personal data, which would be taken out, left out (redact.disable names rules that are off):", l.of(wire.TeachRedacted, func(f teach.Fact, st wire.TeachState) string {
		return fmt.Sprintf("  %s  %s: %s", f.At(), short(f.Question()), strings.Join(st.Rules, ", "))
	}))
	var twice, differ []string
	for _, p := range l.batch.Repeats {
		twice = append(twice, fmt.Sprintf("  %s and %s  %s", p.First.At(), p.Second.At(), short(p.First.Question())))
	}
	for _, p := range l.batch.Conflicts {
		differ = append(differ, fmt.Sprintf("  %s  %s\n    - %s   (%s)\n    + %s", p.Second.At(), short(p.First.Question()), short(p.First.Answer), p.First.At(), short(p.Second.Answer)))
	}
	list(out, "\nanswered differently in the files, the last answer is taken:", differ)
	list(out, "\ntwice the same, taken once:", twice)
	list(out, "\nnotes:", indented(l.notes))
	if count[wire.TeachSaid] > 0 && !l.opt.again {
		fmt.Fprintln(out, "\nWhat was said already waits for a night, or was not learned by one; --again teaches it again.")
	}
}

// of is a line for each fact in a state.
func (l *lessons) of(state string, line func(teach.Fact, wire.TeachState) string) (lines []string) {
	for i, st := range l.states {
		if st.State == state {
			lines = append(lines, line(l.batch.Facts[i], st))
		}
	}
	return lines
}

// list prints lines below a title, the first of them.
func list(out io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(out, title)
	for _, line := range lines[:min(len(lines), maxShown)] {
		fmt.Fprintln(out, line)
	}
	if more := len(lines) - maxShown; more > 0 {
		fmt.Fprintf(out, "  and %d more, which --json lists\n", more)
	}
}

// end says what was kept, how it is learned, and how it is taken back.
func (l *lessons) end(out io.Writer) {
	switch {
	case l.opt.dryRun:
		fmt.Fprintln(out, "\nnothing was kept; leave --dry-run out to teach it")
		return
	case l.taught.Taught == 0:
		fmt.Fprintln(out, "\nthere is nothing to teach")
		return
	}
	right := 0
	for i, st := range l.states {
		if st.Taught && teach.Same(st.Answered, l.batch.Facts[i].Answer) {
			right++
		}
	}
	fmt.Fprintf(out, "\ntaught track %s %s", l.opt.track, counted(l.taught.Taught, "answer"))
	if right > 0 {
		fmt.Fprintf(out, "; %d of them the model gives already", right)
	}
	fmt.Fprintf(out, "\ntake the batch back: nightshift forget --subject %s\n", l.taught.Subject)
	if !l.opt.night {
		fmt.Fprintf(out, "the next night learns it; one at once: nightshift update --now --track %s\n", l.opt.track)
	}
}

// counted is a number of things in words.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// short is a text in one line that is not too long for a list, without what would steer a terminal.
func short(text string) string {
	line := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.Join(strings.Fields(text), " ")))
	if len(line) > 100 {
		line = append(line[:99], '…')
	}
	return string(line)
}

// indented are lines of a list.
func indented(lines []string) (list []string) {
	for _, line := range lines {
		list = append(list, "  "+line)
	}
	return list
}
