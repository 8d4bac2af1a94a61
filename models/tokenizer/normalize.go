package tokenizer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// place says what stands before a text that is encoded.
type place uint8

const (
	begins  place = iota // nothing: it is the beginning
	follows              // an added token
	goesOn               // other text
)

// normalizer is what happens to text before it is split: steps one after the other.
type normalizer []normalStep

// normalStep is one of: a Unicode normalization form, text put before, text replaced.
type normalStep struct {
	name     string
	form     norm.Form // of a name in forms
	before   string    // of Prepend
	from, to string    // of Replace
}

var forms = map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}

// normalizerOf reads a normalizer.
func normalizerOf(steps []*step) (out normalizer, err error) {
	for _, s := range steps {
		form, known := forms[s.Type]
		switch {
		case known:
			out = append(out, normalStep{name: s.Type, form: form})
		case s.Type == "Prepend":
			out = append(out, normalStep{name: s.Type, before: s.Prepend})
		case s.Type == "Replace" && s.Pattern.String != "":
			out = append(out, normalStep{name: s.Type, from: s.Pattern.String, to: s.Content})
		case s.Type == "Replace":
			return nil, errors.New("normalizer Replace is implemented for a String, not for a Regex or an empty one")
		default:
			return nil, fmt.Errorf("normalizer %s is not implemented; NFC, NFD, NFKC, NFKD, Prepend and Replace are", s.Type)
		}
	}
	return out, nil
}

// apply normalizes a piece of text. What Prepend puts before a text is left out where the text goes on.
func (n normalizer) apply(text string, where place) string {
	for i := range n {
		switch s := &n[i]; s.name {
		case "Prepend":
			if where != goesOn && text != "" {
				text = s.before + text
			}
		case "Replace":
			text = strings.ReplaceAll(text, s.from, s.to)
		default:
			text = normalForm(s.form, text)
		}
	}
	return text
}

// fewMarks is how many marks in a row are left to package norm. It puts a COMBINING GRAPHEME JOINER behind every thirtieth, and a mark
// may become three.
const fewMarks = 9

// normalForm is form.String without the joiners that the package puts into long runs of marks. Bytes that are not UTF-8 stay as they
// are. Text that is plainly normal costs no memory.
func normalForm(form norm.Form, text string) string {
	if !utf8.ValidString(text) {
		return normalParts(form, text)
	}
	if form.QuickSpanString(text) == len(text) {
		return text
	}
	var out strings.Builder
	for done := 0; done < len(text); {
		from, to := longRun(form, text, done)
		out.WriteString(form.String(text[done:from]))
		out.WriteString(normalRun(form, text[from:to]))
		done = to
	}
	return out.String()
}

// normalParts normalizes what lies between bytes that are not UTF-8: the package takes all that follows one for normal.
func normalParts(form norm.Form, text string) string {
	var out strings.Builder
	start := 0
	for i, r := range text {
		if r != utf8.RuneError || strings.HasPrefix(text[i:], "\uFFFD") {
			continue
		}
		out.WriteString(normalForm(form, text[start:i]))
		out.WriteByte(text[i])
		start = i + 1
	}
	out.WriteString(normalForm(form, text[start:]))
	return out.String()
}

// longRun returns where the next character with more than fewMarks behind it lies, together with them; an empty run at the end of
// the text if there is none. A mark is what may move before or join the character before it.
func longRun(form norm.Form, text string, i int) (from, to int) {
	for i < len(text) {
		start, marks := i, 0
		_, width := utf8.DecodeRuneInString(text[i:])
		for i += width; i < len(text) && text[i] >= utf8.RuneSelf; marks++ {
			p := form.PropertiesString(text[i:])
			if p.Size() == 0 || p.BoundaryBefore() {
				break
			}
			i += p.Size()
		}
		if marks > fewMarks {
			return start, i
		}
	}
	return len(text), len(text)
}

// normalRun normalizes a character and its marks as Unicode's annex 15 has it, in O(n log n): take apart, sort, join.
func normalRun(form norm.Form, run string) string {
	var chars []rune
	var order []uint8 // canonical combining classes
	apart := norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		apart = norm.NFKD
	}
	for _, r := range run {
		for _, part := range apart.String(string(r)) {
			chars, order = append(chars, part), append(order, norm.NFD.PropertiesString(string(part)).CCC())
		}
	}
	sortMarks(chars, order)
	if form == norm.NFC || form == norm.NFKC {
		chars = joinMarks(chars, order)
	}
	return string(chars)
}

// sortMarks puts the marks between characters of class 0 in order of their classes.
func sortMarks(chars []rune, order []uint8) {
	type mark struct {
		r     rune
		class uint8
	}
	var marks []mark
	for i := 0; i < len(chars); i++ {
		marks = marks[:0]
		for j := i; j < len(chars) && order[j] != 0; j++ {
			marks = append(marks, mark{chars[j], order[j]})
		}
		slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.class, b.class) })
		for _, m := range marks {
			chars[i], order[i] = m.r, m.class
			i++
		}
	}
}

// joinMarks replaces pairs by the one character that stands for them, as long as nothing of the same or a higher class lies between.
func joinMarks(chars []rune, order []uint8) []rune {
	out := chars[:0]
	base, last := -1, uint8(0) // where the character lies that marks join, and the class of what follows it, 0 for nothing
	for i, r := range chars {
		class := order[i]
		if near := base == len(out)-1; base >= 0 && (near || last != 0 && last < class) {
			if joined := []rune(norm.NFC.String(string([]rune{out[base], r}))); len(joined) == 1 {
				out[base] = joined[0]
				continue
			}
		}
		if last = class; class == 0 {
			base = len(out)
		}
		out = append(out, r)
	}
	return out
}
