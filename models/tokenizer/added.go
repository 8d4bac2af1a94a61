package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// addedToken is an entry of added_tokens in tokenizer.json.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// matcher finds added tokens in text: the leftmost, and of those that start there the longest. It is a trie, so that the time for a
// character does not depend on how many tokens there are.
type matcher struct {
	first  [256]int32 // the node of each first byte, 0 for none
	next   map[edge]int32
	token  []int32 // by node, the index of the token that ends there, −1 for none
	tokens []addedToken
}

type edge struct {
	node int32
	b    byte
}

// match is an added token in a text, with the white space around it that it takes with it.
type match struct {
	from, to int
	id       int32
	ok       bool
}

// add enters a token that is found as pattern.
func (m *matcher) add(pattern string, a addedToken) {
	if m.next == nil {
		m.next, m.token = map[edge]int32{}, []int32{-1}
	}
	node := int32(0)
	for i := range len(pattern) {
		at := m.step(node, pattern[i])
		if at == 0 {
			at = int32(len(m.token))
			m.token = append(m.token, -1)
			if m.next[edge{node, pattern[i]}] = at; node == 0 {
				m.first[pattern[i]] = at
			}
		}
		node = at
	}
	m.token[node] = int32(len(m.tokens))
	m.tokens = append(m.tokens, a)
}

// step returns the node behind a byte, 0 for none.
func (m *matcher) step(node int32, b byte) int32 {
	if node == 0 {
		return m.first[b]
	}
	return m.next[edge{node, b}]
}

// find returns the first added token that lies within text[from:high]. The white space that it takes with it does not reach back
// before low. Without one, the match is empty and lies at high.
func (m *matcher) find(text string, low, from, high int) match {
	for i := from; i < high && len(m.tokens) > 0; i++ {
		node, best, end := m.first[text[i]], int32(-1), i
		for j := i; node != 0; {
			j++
			if m.token[node] >= 0 {
				best, end = m.token[node], j
			}
			if j == high {
				break
			}
			node = m.next[edge{node, text[j]}]
		}
		if best < 0 {
			continue
		}
		token := &m.tokens[best]
		if token.SingleWord && !isolated(text, i, end) {
			i = end - 1
			continue
		}
		found := match{i, end, int32(token.ID), true}
		if token.LStrip {
			found.from = spaceBefore(text, low, i)
		}
		if token.RStrip {
			found.to = spaceAfter(text, end)
		}
		return found
	}
	return match{from: high, to: high}
}

// isolated reports whether no word ends at text[from] or begins at text[to].
func isolated(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return (from == 0 || !inWord(before)) && (to == len(text) || !inWord(after))
}

// inWord is \w of Unicode's annex on regular expressions.
func inWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control)
}

func spaceBefore(text string, low, i int) int {
	for i > low {
		r, width := utf8.DecodeLastRuneInString(text[low:i])
		if !unicode.IsSpace(r) {
			break
		}
		i -= width
	}
	return i
}

func spaceAfter(text string, i int) int {
	for i < len(text) {
		r, width := utf8.DecodeRuneInString(text[i:])
		if !unicode.IsSpace(r) {
			break
		}
		i += width
	}
	return i
}
