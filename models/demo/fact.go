package demo

import (
	"slices"
	"strings"
)

// Shop is the name of the fictional shop.
const Shop = "Fernridge Outfitters"

// Fact is one thing that the support desk knows.
type Fact struct {
	ID     string // stable, lower case: "return_window"
	Topic  string // what it belongs to: "returns", "shipping", …
	Value  string // the value the model that ships was taught: "30 days"
	Rivals []string
	// Rivals are other plausible values, never equal to Value; the value after
	// a Change is one of them.

	nouns      []string // singular noun phrases, shared by the noun frames of all groups
	train      []string // direct questions, lower case, no question mark
	heldout    []string
	correction []string
	demo       []string
	answers    []string // sentences with one %s
}

// Facts returns every fact in a fixed order. The slices inside are shared:
// do not change them.
func Facts() []Fact { return slices.Clone(facts) }

// FactByID returns the fact with that ID.
func FactByID(id string) (Fact, bool) {
	i := slices.IndexFunc(facts, func(f Fact) bool { return f.ID == id })
	if i < 0 {
		return Fact{}, false
	}
	return facts[i], true
}

// Answers returns the answer sentences with value filled in, which is f.Value
// or what it has changed to.
func (f Fact) Answers(value string) []string {
	out := make([]string, len(f.answers))
	for i, form := range f.answers {
		s := strings.Replace(form, "%s", value, 1)
		out[i] = strings.ToUpper(s[:1]) + s[1:]
	}
	return out
}

// Right reports whether answer states f.Value and no rival value.
func (f Fact) Right(answer string) bool { return f.RightFor(answer, f.Value) }

// RightFor reports whether answer states value and none of the fact's other
// values: neither a rival nor, when value is a new one, the old f.Value.
// Values match on whole words and numbers ("30 days" is not in "130 days" and
// "$5" is not in "$50" or "$5.90"), without regard to case, hyphens or a
// plural s.
func (f Fact) RightFor(answer, value string) bool {
	said := words(answer)
	want := words(value)
	if len(want) == 0 || !contains(said, want) {
		return false
	}
	for _, other := range append([]string{f.Value}, f.Rivals...) {
		w := words(other)
		if !slices.Equal(w, want) && contains(said, w) {
			return false
		}
	}
	return true
}

// words splits text into comparable words: lower-case letter runs without a
// plural s, and numbers with their sign of currency, decimals and per cent.
func words(text string) []string {
	s := strings.ToLower(text)
	var out []string
	for i := 0; i < len(s); {
		start := i
		switch {
		case letter(s[i]):
			for i < len(s) && letter(s[i]) {
				i++
			}
			w := s[start:i]
			if len(w) > 3 && !strings.HasSuffix(w, "ss") {
				w = strings.TrimSuffix(w, "s")
			}
			out = append(out, w)
		case digit(s[i]) || s[i] == '$' && i+1 < len(s) && digit(s[i+1]):
			i = number(s, i+1)
			out = append(out, strings.ReplaceAll(s[start:i], ",", ""))
		default:
			i++
		}
	}
	return out
}

// number returns the end of the number whose first byte lies before i.
func number(s string, i int) int {
	for i < len(s) {
		inner := (s[i] == '.' || s[i] == ',' || s[i] == ':') && i+1 < len(s) && digit(s[i+1])
		if !digit(s[i]) && !inner {
			break
		}
		i++
	}
	if i < len(s) && s[i] == '%' {
		i++
	}
	return i
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// contains reports whether part occurs in all as a run.
func contains(all, part []string) bool {
	for i := 0; i+len(part) <= len(all); i++ {
		if slices.Equal(all[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

// list splits a table cell at its bars.
func list(cell string) []string { return strings.Split(cell, "|") }
