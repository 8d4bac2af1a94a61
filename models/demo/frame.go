package demo

import "strings"

// Group names the use that a question template is reserved for.
type Group int

// The groups. No two of them share a question, whatever its case and
// punctuation.
const (
	Train      Group = iota // the corpus
	Heldout                 // quality of the model that ships is asserted on these
	Correction              // what simulated customers ask when they correct an answer
	Demo                    // what the demo asks; neither corpus nor corrections use them
)

// String returns the group's name in lower case.
func (g Group) String() string {
	names := [...]string{"train", "heldout", "correction", "demo"}
	if g < 0 || int(g) >= len(names) {
		return "unknown"
	}
	return names[g]
}

// askFrames surround a direct question ("how long …"), by group.
var askFrames = [...][]string{
	Train: list("%s|hi, %s|hello, %s|hey, %s|excuse me, %s|quick question: %s|one question, %s|" +
		"sorry to bother you, %s|please tell me, %s|i was wondering, %s|good morning, %s|just checking, %s|" +
		"can you help me, %s|i am new here, %s|%s, thanks|%s, please|hello team, %s|before i buy, %s|do you know, %s"),
	Heldout: list("good evening, %s|i have a question: %s|may i ask, %s|dear team, %s|help please, %s"),
	Correction: list("good afternoon, %s|hey team, %s|another question, %s|before i order, %s|" +
		"my friend asks, %s|hello again, %s"),
	Demo: list("hello there, %s|just one question, %s|could you help me, %s|tell me please, %s|thanks in advance, %s"),
}

// nounFrames surround a noun phrase ("the return window"), by group.
var nounFrames = [...][]string{
	Train: list("what is %s|what's %s|tell me %s|can you tell me %s|i would like to know %s|please give me %s|" +
		"do you know %s|could you explain %s|remind me what %s is|i am asking about %s|%s please|%s|" +
		"hi, what is %s|hello, can you tell me %s|i have a question about %s|could i ask what %s is|" +
		"i want to find out %s|would you please tell me %s"),
	Heldout: list("may i know %s|what would %s be|i need to know %s|let me know %s|please tell me about %s|" +
		"do you happen to know %s"),
	Correction: list("could you remind me of %s|i want to know %s|would you tell me %s|i am looking for %s|" +
		"what exactly is %s|can you look up %s|hello, tell me about %s"),
	Demo: list("i'd like to know %s|may i ask what %s is|would you mind telling me %s|help me find out %s|" +
		"could you give me %s|hi, could you tell me %s"),
}

// Questions returns the fact's questions of one group, each once, in a fixed
// order and in mixed case and punctuation; nil for an unknown group.
//
// The training group is the product of all its phrases and frames. The other
// groups take each of their own phrases bare and in a frame, and the nouns in
// frames of their own; which frame rotates with the fact.
func (f Fact) Questions(group Group) []string {
	out := f.lower(group)
	for i, q := range out {
		out[i] = style(i % 3).dress(q)
	}
	return out
}

// lower returns the group's questions in lower case without a closing mark.
func (f Fact) lower(group Group) []string {
	switch group {
	case Train:
		var out []string
		for _, ask := range f.train {
			out = append(out, fill(askFrames[Train], ask)...)
		}
		for _, noun := range f.nouns {
			out = append(out, fill(nounFrames[Train], noun)...)
		}
		return out
	case Heldout:
		return f.rotate(group, f.heldout, 3)
	case Correction:
		return f.rotate(group, f.correction, 4)
	case Demo:
		return f.rotate(group, f.demo, 3)
	}
	return nil
}

// rotate returns every ask bare and framed, and count nouns in frames.
func (f Fact) rotate(group Group, asks []string, count int) []string {
	turn := 0
	for _, c := range []byte(f.ID) {
		turn += int(c)
	}
	out := append([]string(nil), asks...)
	af, nf := askFrames[group], nounFrames[group]
	for i, ask := range asks {
		out = append(out, strings.Replace(af[(turn+i)%len(af)], "%s", ask, 1))
	}
	for i := range count {
		noun := f.nouns[i%len(f.nouns)]
		out = append(out, strings.Replace(nf[(turn+i)%len(nf)], "%s", noun, 1))
	}
	return out
}

// fill returns phrase in every frame.
func fill(frames []string, phrase string) []string {
	out := make([]string, len(frames))
	for i, frame := range frames {
		out[i] = strings.Replace(frame, "%s", phrase, 1)
	}
	return out
}

// style is a way to write a question down.
type style int

const (
	sentence  style = iota // capital letter and closing mark
	lowerMark              // lower case, closing mark
	lowerBare              // lower case, nothing at the end
	upperBare              // capital letter, nothing at the end
	styles
)

// dress writes the lower-case phrase q in the style. It closes with a
// question mark if the phrase, or a clause of it, opens like a question.
func (s style) dress(q string) string {
	if s == sentence || s == upperBare {
		q = strings.ReplaceAll(" "+q+" ", " i ", " I ")[1:]
		q = strings.ToUpper(q[:1]) + strings.TrimSuffix(q[1:], " ")
	}
	if s == sentence || s == lowerMark {
		q += mark(q)
	}
	return q
}

// mark returns the closing mark of phrase q.
func mark(q string) string {
	for _, clause := range strings.FieldsFunc(strings.ToLower(q), func(c rune) bool { return c == ',' || c == ':' }) {
		first, _, _ := strings.Cut(strings.TrimSpace(clause), " ")
		if openers[first] {
			return "?"
		}
	}
	return "."
}

// openers are the words that open a question.
var openers = map[string]bool{
	"am": true, "any": true, "are": true, "at": true, "by": true, "can": true, "could": true, "do": true,
	"does": true, "down": true, "for": true, "from": true, "how": true, "if": true, "in": true, "is": true,
	"may": true, "on": true, "should": true, "to": true, "under": true, "until": true, "up": true,
	"what": true, "what's": true, "when": true, "which": true, "who": true, "why": true, "will": true,
	"within": true, "would": true, "after": true,
}

// plain returns q in lower case with single spaces and without punctuation:
// two questions are the same when their plain forms are.
func plain(q string) string {
	var b strings.Builder
	gap := false
	for _, c := range []byte(strings.ToLower(q)) {
		switch {
		case letter(c) || digit(c):
			if gap && b.Len() > 0 {
				b.WriteByte(' ')
			}
			gap = false
			b.WriteByte(c)
		case c != '\'':
			gap = true
		}
	}
	return b.String()
}
