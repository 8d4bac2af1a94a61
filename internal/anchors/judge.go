package anchors

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Why an answer is left out.
const (
	Empty      = "empty"
	Repetitive = "repeat themselves"
	Cut        = "were cut within the first sentence"
	Unasked    = "to questions that the model cannot be asked"
)

// judge decides what is kept of an answer: all of one that ended; of one that was cut, its whole sentences, which is open then; nothing,
// and why, of one that nobody should learn from.
func judge(text string, tokens []int32, ended bool) (completion string, open bool, left string) {
	switch {
	case !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }):
		return "", false, Empty
	case repeats(text, tokens):
		return "", false, Repetitive
	case ended:
		return text, false, ""
	}
	if completion = sentences(text); completion == "" {
		return "", false, Cut
	}
	return completion, true, ""
}

// Bounds of what counts as repetitive.
const (
	run       = 8   // equal tokens in a row
	gram      = 4   // tokens that are looked at together
	different = 0.7 // share of them that must be different
	fewest    = 16  // tokens of an answer whose share is looked at
	lines     = 3   // equal lines
	longLine  = 4   // bytes of a line that counts
)

// repeats says whether an answer goes round in circles.
func repeats(text string, tokens []int32) bool {
	same := 1
	for i := 1; i < len(tokens); i++ {
		if same++; tokens[i] != tokens[i-1] {
			same = 1
		}
		if same >= run {
			return true
		}
	}
	if len(tokens) >= fewest {
		seen := map[[gram]int32]bool{}
		for i := range len(tokens) - gram + 1 {
			seen[[gram]int32(tokens[i:i+gram])] = true
		}
		if float64(len(seen)) < different*float64(len(tokens)-gram+1) {
			return true
		}
	}
	count := map[string]int{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); len(line) >= longLine {
			if count[line]++; count[line] >= lines {
				return true
			}
		}
	}
	return false
}

// sentences are the whole sentences, or lines, at the beginning of a text that was cut.
func sentences(text string) string {
	end := 0
	for i, r := range text {
		after := i + utf8.RuneLen(r)
		switch {
		case r == '\n':
			if kept := strings.TrimRight(text[:i], " \t\r\n"); ends(kept) {
				end = len(kept)
			}
		case strings.ContainsRune("。！？।؟", r), strings.ContainsRune(".!?", r) && closes(text[after:]) && !numbered(text[:i]):
			end = after + len(text[after:]) - len(strings.TrimLeft(text[after:], quotes))
		}
	}
	return text[:end]
}

// quotes may follow a full stop and belong to its sentence.
const quotes = `"'”’»)*`

// closes says whether what follows a full stop shows that a sentence ended there: a space, perhaps after a quotation mark. That
// nothing follows shows nothing: the text was cut there.
func closes(rest string) bool {
	rest = strings.TrimLeft(rest, quotes)
	r, _ := utf8.DecodeRuneInString(rest)
	return rest != "" && unicode.IsSpace(r)
}

// numbered says whether a text ends with the number of a list's item, which a full stop follows.
func numbered(text string) bool {
	line := text[strings.LastIndexByte(text, '\n')+1:]
	return strings.Trim(line, " \t0123456789") == ""
}

// ends says whether a line is one of its own: it has words, and does not announce what comes next.
func ends(line string) bool {
	line = line[strings.LastIndexByte(line, '\n')+1:]
	return strings.ContainsFunc(line, unicode.IsLetter) && !strings.HasSuffix(line, ":") && !strings.HasSuffix(line, ",")
}
