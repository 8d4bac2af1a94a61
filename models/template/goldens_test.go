package template

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
)

// goldens is what testdata/goldens.py writes.
type goldens struct {
	Tokens        map[string]string
	Variables     []map[string]json.RawMessage
	Conversations [][]Message
	Now           string
	lines         []golden
}

type golden struct {
	Kind, Name, Template string
	Rows                 []goldenRow
}

type goldenRow struct {
	conversation, variables int
	generate                bool
	prompt, failed          *string // one of them
}

func (r *goldenRow) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&r.conversation, &r.generate, &r.variables, &r.prompt, &r.failed})
}

func readGoldens(t *testing.T) *goldens {
	t.Helper()
	f, err := os.Open(cmp.Or(os.Getenv("TEMPLATE_GOLDENS"), "testdata/goldens.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	g := &goldens{}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for into := any(g); lines.Scan(); into = &g.lines[len(g.lines)-1] {
		if err := json.Unmarshal(lines.Bytes(), into); err != nil {
			t.Fatal(err)
		}
		g.lines = append(g.lines, golden{})
	}
	g.lines = g.lines[:len(g.lines)-1]
	if err := lines.Err(); err != nil || len(g.lines) == 0 {
		t.Fatalf("%d goldens, %v", len(g.lines), err)
	}
	return g
}

func (g *goldens) load(source string) (*Template, error) {
	tm, err := New("test.jinja", source, g.Tokens)
	if err == nil {
		now, err := time.Parse("2006-01-02T15:04:05.999999", g.Now)
		if err != nil {
			return nil, err
		}
		tm.now = func() time.Time { return now }
	}
	return tm, err
}

func (g *goldens) render(tm *Template, row goldenRow) ([]Piece, error) {
	variables := map[string]any{}
	for name, raw := range g.Variables[row.variables] {
		variables[name] = raw
	}
	with, err := tm.With(variables)
	if err != nil {
		return nil, err
	}
	return with.Render(g.Conversations[row.conversation], row.generate)
}

// refused are the goldens that transformers renders, and that are refused here, by a part of the reason.
var refused = map[string]string{
	"'x'.encode('utf-8')": "method encode",
	"self":                "self is not",
	"{% autoescape true %}{{ '<' }}{% endautoescape %}": "statement autoescape",
	"{% block a %}x{% endblock %}":                      "statement block",
	"{{ messages | groupby('role') | list | length }}":  "filter groupby",
	"{{ '<b>x</b>' | striptags }}":                      "filter striptags",
	"{{ 'a b' | urlencode }}":                           "filter urlencode",
	"{{ 9223372036854775807 + 1 }}":                     "integer over 64 bits",
	"{{ 99999999999999999999 }}":                        "out of range",
	"{{ 2 ** 100 }}":                                    "integer over 64 bits",
	"{{ X.isidentifier() }}":                            "method isidentifier",
	"{{ 5.bit_length() }}":                              "method bit_length",
	"seed 568":                                          "division by zero", // in all conversations that a template is tried with
	"{{ true.real }}":                                   "attribute real",
	"1.1 ** 10":                                         "between two floats",
	"{% set it = [1, 2] | map('abs') %}{% set more = it | map('string') %}{{ it | list }}{{ more | list }}":                                                       "an iterator that is given to a filter",
	"{% set ns = namespace() %}{% for i in [1, 2] %}{% macro f() %}{{ i }}{% endmacro %}{% if loop.first %}{% set ns.f = f %}{% endif %}{% endfor %}{{ ns.f() }}": "called after the loop",
}

// Every golden is rendered as transformers has it, or refused; what transformers fails on is never rendered.
func TestGoldens(t *testing.T) {
	g := readGoldens(t)
	same, failed, forms := 0, 0, 0
	for _, line := range g.lines {
		tm, loadErr := g.load(line.Template)
		if line.Kind == "form" {
			forms++
		}
		for _, row := range line.Rows {
			var got string
			err := loadErr
			if err == nil {
				var pieces []Piece
				pieces, err = g.render(tm, row)
				got = joined(pieces)
			}
			reason, mayRefuse := refused[line.Name]
			switch {
			case row.prompt == nil && err == nil:
				t.Errorf("%s %q, conversation %d: rendered as %q, transformers has %s", line.Kind, line.Name, row.conversation, got, *row.failed)
			case row.prompt == nil:
				failed++
			case mayRefuse && err != nil && strings.Contains(err.Error(), reason):
			case err != nil:
				t.Errorf("%s %q, conversation %d: %v; transformers has %.200q", line.Kind, line.Name, row.conversation, err, *row.prompt)
			case got != *row.prompt || mayRefuse:
				t.Errorf("%s %q, conversation %d:\n got %q\nwant %q", line.Kind, line.Name, row.conversation, got, *row.prompt)
			default:
				same++
			}
		}
	}
	t.Logf("%d templates, %d of them forms of models; %d prompts are the same, %d fail in both", len(g.lines), forms, same, failed)
	if os.Getenv("TEMPLATE_GOLDENS") == "" && (forms < 100 || same < 9000 || failed < 500) {
		t.Error("there are too few goldens")
	}
}

// private moves letters and digits into the private use area, where no template has any.
func private(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsPunct(r) {
			return 0xe000 + r%0x1000
		}
		return r
	}, s)
}

// escaped is what characters become in strings of Python and JSON, and in HTML.
var escaped = regexp.MustCompile(`(?i)\\\\*(u[0-9a-f]{4}|x[0-9a-f]{2}|[nrtbf])|&[a-z]+;`)

func isPrivate(r rune) bool { return 0xe000 <= r && r <= 0xefff }

// Whatever a template does with content, what comes from it is told apart from what comes from the template.
func TestEveryCharacterHasItsOrigin(t *testing.T) {
	g := readGoldens(t)
	rendered := 0
	for _, line := range g.lines {
		tm, err := g.load(line.Template)
		if err != nil {
			continue
		}
		for _, conversation := range g.Conversations {
			messages := make([]Message, len(conversation))
			for i, m := range conversation {
				messages[i] = Message{m.Role, private(m.Content)}
			}
			pieces, err := tm.Render(messages, true)
			if err != nil {
				continue
			}
			rendered++
			for _, p := range pieces {
				foreign := isPrivate
				if !p.Special {
					foreign = unicode.IsLetter
				}
				if !p.Special && line.Kind != "form" {
					continue // it may hold a part of an escaped character
				}
				if strings.ContainsFunc(escaped.ReplaceAllString(p.Text, ""), foreign) {
					t.Fatalf("%s %q: %q is the template's: %v", line.Kind, line.Name, p.Text, p.Special)
				}
			}
		}
	}
	if rendered < 10000 {
		t.Errorf("%d rendered", rendered)
	}
}
