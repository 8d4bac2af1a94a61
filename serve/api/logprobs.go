package api

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"nightshift/internal/sampling"
	"nightshift/models/tokenizer"
	"nightshift/serve/api/wire"
)

// mark is a token of a text with its log-probability and the likeliest tokens at its place.
type mark struct {
	spelling
	logProb *float32 // nil for the first token of a prompt
	hidden  bool     // it has no bytes in the text
	top     []likely
	offset  int // in the text, in characters
}

// likely is one of the likeliest tokens at a place.
type likely struct {
	spelling
	hidden  bool
	logProb float32
}

// spelling is the bytes of a token; they need not be whole characters.
type spelling string

// marks collects the tokens of a text.
type marks struct {
	list  []mark
	begun int  // characters of the text that have begun
	inner bool // a token with text came before: some tokenizers put a space before the next
}

// add appends a token; shown says that the text has special tokens.
func (m *marks) add(t *tokenizer.Tokenizer, id int32, shown bool, logProb *float32, top []sampling.Choice) {
	first := !m.inner
	hidden := func(id int32) bool { return !shown && t.IsSpecial(id) }
	one := mark{spelling: spell(t, id, first), hidden: hidden(id), logProb: logProb, offset: m.begun}
	for _, c := range top {
		one.top = append(one.top, likely{spell(t, c.ID, first), hidden(c.ID), c.LogProb})
	}
	if !one.hidden {
		m.inner = true
		m.place(&one)
	}
	m.list = append(m.list, one)
}

// endText says that what comes next is decoded as a text of its own: the answer after a prompt that is echoed.
func (m *marks) endText() { m.inner = false }

// place finds where a token lies in the text, and goes behind it.
func (m *marks) place(one *mark) {
	if one.spelling != "" && !utf8.RuneStart(one.spelling[0]) {
		one.offset = max(0, m.begun-1) // it goes on with a character
	}
	for i := range len(one.spelling) {
		if utf8.RuneStart(one.spelling[i]) {
			m.begun++
		}
	}
}

// spell returns the bytes of a token; where it is not the first of its text, some tokenizers put a space before it.
func spell(t *tokenizer.Tokenizer, id int32, first bool) spelling {
	alone, err := t.Decode(nil, id)
	if err != nil {
		return "" // a place of the vocabulary that no token has
	}
	if first {
		return spelling(alone)
	}
	twice, _ := t.Decode(nil, id, id) // it was decoded a moment ago
	return spelling(twice[len(alone):])
}

// readable is the text of a token, with what is no whole character replaced.
func (s spelling) readable() string { return strings.ToValidUTF8(string(s), "\ufffd") }

// distinct is the text of a token, or its bytes spelled out where they are no whole characters, so that no two tokens look
// the same.
func (s spelling) distinct() string {
	if utf8.ValidString(string(s)) {
		return string(s)
	}
	var b strings.Builder
	b.WriteString("bytes:")
	for i := range len(s) {
		fmt.Fprintf(&b, "\\x%02x", s[i])
	}
	return b.String()
}

// numbers are the bytes that a token has in the text.
func (s spelling) numbers(hidden bool) []int {
	if hidden {
		return []int{}
	}
	list := make([]int, len(s))
	for i := range len(s) {
		list[i] = int(s[i])
	}
	return list
}

// chatLogprobsOf are log-probabilities in the shape of OpenAI's chats.
func chatLogprobsOf(list []mark) *wire.ChatLogprobs {
	all := &wire.ChatLogprobs{Content: make([]wire.ChatToken, len(list))}
	for i, m := range list {
		c := wire.ChatToken{LikelyToken: wire.LikelyToken{Token: m.readable(), Logprob: *m.logProb, Bytes: m.numbers(m.hidden)}, TopLogprobs: make([]wire.LikelyToken, len(m.top))}
		for k, s := range m.top {
			c.TopLogprobs[k] = wire.LikelyToken{Token: s.readable(), Logprob: s.logProb, Bytes: s.numbers(s.hidden)}
		}
		all.Content[i] = c
	}
	return all
}

// textLogprobsOf are log-probabilities in the shape of OpenAI's completions.
func textLogprobsOf(list []mark) *wire.TextLogprobs {
	n := len(list)
	all := &wire.TextLogprobs{Tokens: make([]string, n), TokenLogprobs: make([]*float32, n), TopLogprobs: make([]map[string]float32, n), TextOffset: make([]int, n)}
	for i, m := range list {
		all.Tokens[i], all.TokenLogprobs[i], all.TextOffset[i] = m.distinct(), m.logProb, m.offset
		if m.logProb == nil {
			continue
		}
		all.TopLogprobs[i] = map[string]float32{m.distinct(): *m.logProb} // the token itself is always there
		for _, s := range m.top {
			all.TopLogprobs[i][s.distinct()] = s.logProb
		}
	}
	return all
}
