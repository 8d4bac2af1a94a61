// Package redact takes personal data and secrets out of text before anything is written: each find is replaced by the name of
// the rule that found it, as in "write to [EMAIL]".
//
// Invariants: the result is valid UTF-8; no rule finds anything in it; redacting it again changes nothing; a Span says where something was and which rule
// found it, never what it was. Time is linear in the text. It is not an anonymiser: names, addresses and what a text tells
// between the lines stay, and the rules prefer to leave an order number alone over taking every odd telephone number.
package redact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// Span is one find: bytes Start to End of the text as it came in, whose placeholder begins at byte At of the result. The text
// itself is not kept.
type Span struct {
	Start int    `json:"start"`
	End   int    `json:"end"`
	At    int    `json:"at"`
	Rule  string `json:"rule"`
}

// Rule is a rule that a person adds: what the regular expression (RE2) matches is replaced by the upper-case name in brackets.
type Rule struct {
	Name    string `yaml:"name" doc:"Name of the redaction rule: a-z, 0-9 and _, beginning with a letter."`
	Pattern string `yaml:"pattern" doc:"Regular expression (RE2) of what the redaction rule replaces."`
}

// Check implements config.Checker.
func (r Rule) Check(report func(key, format string, args ...any)) {
	if _, err := regexp.Compile(r.Pattern); err != nil || r.Pattern == "" || r.Name == "" {
		report("", "want a name and a regular expression (%v)", err)
	}
}

// Config chooses rules. The zero value is all built-in rules.
type Config struct {
	Disable []string `yaml:"disable" oneof:"key,email,iban,card,phone" doc:"Built-in redaction rules that are off: key, email, iban, card, phone."`
	Extra   []Rule   `yaml:"extra" doc:"Additional redaction rules: a list of {name, pattern}, patterns in RE2. member: \"\\\\bM-[0-9]{6}\\\\b\" gives [MEMBER]."`
}

// rule finds what it is about: sorted, disjoint, non-empty byte ranges of a text without placeholders.
type rule struct {
	name        string
	placeholder string
	source      string // of Version: changes whenever the finds may change
	find        func(text string) [][2]int
}

// builtin rules, in the order in which they are tried. A change of what one finds raises the number in its source.
var builtin = []rule{
	{name: "key", source: "key 1", find: findKeys},
	{name: "email", source: "email 1", find: findEmails},
	{name: "iban", source: "iban 1", find: findIBANs},
	{name: "card", source: "card 1", find: findCards},
	{name: "phone", source: "phone 1", find: findPhones},
}

// Builtin returns the names of the built-in rules.
func Builtin() []string {
	var names []string
	for _, r := range builtin {
		names = append(names, r.name)
	}
	return names
}

// Redactor applies a fixed set of rules. It may be used from any goroutine.
type Redactor struct {
	rules        []rule
	placeholders *regexp.Regexp // of its rules
	version      string
}

var ruleName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// New checks the configuration and compiles it.
func New(c Config) (*Redactor, error) {
	r := &Redactor{}
	seen := Builtin()
	for _, name := range c.Disable {
		if !slices.Contains(seen, name) {
			return nil, fmt.Errorf("disable redaction rule %q: want one of %s", name, strings.Join(seen, ", "))
		}
	}
	for _, extra := range c.Extra {
		if !ruleName.MatchString(extra.Name) {
			return nil, fmt.Errorf("add redaction rule %q: want a name of a-z, 0-9 and _, beginning with a letter, at most 31", extra.Name)
		}
		if slices.Contains(seen, extra.Name) {
			return nil, fmt.Errorf("add redaction rule %q: there is a rule of that name", extra.Name)
		}
		pattern, err := regexp.Compile(extra.Pattern)
		if err != nil {
			return nil, fmt.Errorf("add redaction rule %q: %w", extra.Name, err)
		}
		if extra.Pattern == "" || pattern.MatchString("") {
			return nil, fmt.Errorf("add redaction rule %q: pattern %q matches nothing at all, so every place", extra.Name, extra.Pattern)
		}
		seen = append(seen, extra.Name)
		r.rules = append(r.rules, rule{name: extra.Name, source: extra.Name + "\x00" + extra.Pattern, find: findPattern(pattern)})
	}
	for _, b := range builtin {
		if !slices.Contains(c.Disable, b.name) {
			r.rules = append(r.rules, b)
		}
	}
	hash, quoted := sha256.New(), []string{}
	for i := range r.rules {
		r.rules[i].placeholder = "[" + strings.ToUpper(r.rules[i].name) + "]"
		quoted = append(quoted, regexp.QuoteMeta(r.rules[i].placeholder))
		fmt.Fprintf(hash, "%s\x00\x00", r.rules[i].source)
	}
	if len(quoted) > 0 {
		r.placeholders = regexp.MustCompile(strings.Join(quoted, "|"))
	}
	r.version = hex.EncodeToString(hash.Sum(nil))[:16]
	return r, nil
}

// Version identifies the rules: texts that were redacted under another version are worth another pass.
func (r *Redactor) Version() string { return r.version }

// piece is a stretch of the result: text that stayed, or a placeholder.
type piece struct {
	start, end int    // in the cleaned text
	rule       string // "" where text stayed
	keep       bool   // a placeholder that stood in the text before: stays, and splits what is around it
}

// maxRounds bounds how often the rules are tried again on what finds have cut apart. A text that people write takes two;
// one that is made to take a round for every find would keep a processor busy for hours.
const maxRounds = 32

// Text returns the text without what the rules find, and where that was.
//
// Rules see the stretches between placeholders, one at a time, and go on until none of them finds anything. That is what makes
// a second call change nothing: it sees the same stretches. A text that was made to need more than maxRounds loses every
// stretch in which a rule still finds something, whole.
func (r *Redactor) Text(text string) (string, []Span) {
	if len(r.rules) == 0 {
		return strings.ToValidUTF8(text, "\uFFFD"), nil
	}
	clean, origin := cleaned(text)
	pieces := r.split(clean)
	changed := true
	for round := 0; changed && round < maxRounds; round++ {
		changed = false
		for _, rule := range r.rules {
			pieces, changed = rule.apply(clean, pieces, changed)
		}
	}
	if changed {
		for _, rule := range r.rules {
			rule.close(clean, pieces)
		}
	}
	var out strings.Builder
	var spans []Span
	for _, p := range pieces {
		if p.rule == "" {
			out.WriteString(clean[p.start:p.end])
			continue
		}
		spans = append(spans, Span{Start: origin(p.start), End: origin(p.end), At: out.Len(), Rule: p.rule})
		out.WriteString("[" + strings.ToUpper(p.rule) + "]")
	}
	return out.String(), spans
}

// split cuts a text around the placeholders that it has already.
func (r *Redactor) split(text string) []piece {
	var pieces []piece
	at := 0
	for _, m := range r.placeholders.FindAllStringIndex(text, -1) {
		pieces = append(pieces, piece{start: at, end: m[0]}, piece{start: m[0], end: m[1], keep: true})
		at = m[1]
	}
	return append(pieces, piece{start: at, end: len(text)})
}

// apply cuts what the rule finds out of the pieces that are text.
func (r rule) apply(text string, pieces []piece, changed bool) ([]piece, bool) {
	var out []piece
	for i, p := range pieces {
		var finds [][2]int
		if p.rule == "" && !p.keep && p.start < p.end {
			finds = r.find(text[p.start:p.end])
		}
		if len(finds) > 0 && out == nil {
			out = append(make([]piece, 0, len(pieces)+2*len(finds)), pieces[:i]...)
		}
		if out == nil {
			continue
		}
		at := p.start
		for _, f := range finds {
			out = append(out, piece{start: at, end: p.start + f[0]}, piece{start: p.start + f[0], end: p.start + f[1], rule: r.name})
			at = p.start + f[1]
		}
		rest := p
		rest.start = at
		out = append(out, rest)
	}
	if out == nil {
		return pieces, changed
	}
	return out, true
}

// close takes every piece whole in which the rule finds something. What is left has no finds.
func (r rule) close(text string, pieces []piece) {
	for i, p := range pieces {
		if p.rule == "" && !p.keep && p.start < p.end && len(r.find(text[p.start:p.end])) > 0 {
			pieces[i].rule = r.name
		}
	}
}

// cleaned replaces each invalid byte by U+FFFD; origin maps positions of the result to those of the text.
func cleaned(text string) (clean string, origin func(int) int) {
	if utf8.ValidString(text) {
		return text, func(i int) int { return i }
	}
	var b strings.Builder
	var bad []int // positions in the result just behind each replaced byte
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		b.WriteRune(c)
		if c == utf8.RuneError && size == 1 {
			bad = append(bad, b.Len())
		}
		i += size
	}
	return b.String(), func(i int) int { return i - 2*sort.SearchInts(bad, i+1) }
}

// findPattern finds what a regular expression matches, less empty matches.
func findPattern(pattern *regexp.Regexp) func(string) [][2]int {
	return func(text string) [][2]int {
		var finds [][2]int
		for _, m := range pattern.FindAllStringIndex(text, -1) {
			if m[0] < m[1] {
				finds = append(finds, [2]int{m[0], m[1]})
			}
		}
		return finds
	}
}
