package engine

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// stopAt is the specification of stop strings: the text before the one that is complete first, of those that end
// together the longest.
func stopAt(text string, stop []string) (string, bool) {
	for end := range len(text) + 1 {
		best := -1
		for _, s := range stop {
			if s != "" && strings.HasSuffix(text[:end], s) && (best < 0 || end-len(s) < best) {
				best = end - len(s)
			}
		}
		if best >= 0 {
			return text[:best], true
		}
	}
	return text, false
}

// TestStopStringsWhereverTheTextIsCut compares with the specification over random texts, stop strings and cuts.
func TestStopStringsWhereverTheTextIsCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	letters := []string{"a", "b", "é", "の", " "}
	word := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(letters[rng.IntN(len(letters))])
		}
		return b.String()
	}
	stops := 0
	for range 20_000 {
		text := word(rng.IntN(14))
		var stop []string
		for range rng.IntN(4) {
			stop = append(stop, word(1+rng.IntN(4)))
		}
		o := output{stop: stop}
		var got strings.Builder
		stopped := false
		for rest := text; rest != "" && !stopped; {
			n := 1 + rng.IntN(len(rest))
			for !utf8.RuneStart((rest + "x")[n]) {
				n++
			}
			var piece string
			piece, stopped = o.release(rest[:n])
			if !utf8.ValidString(piece) {
				t.Fatalf("%q with stops %q: piece %q is not valid", text, stop, piece)
			}
			got.WriteString(piece)
			rest = rest[n:]
		}
		if !stopped {
			got.WriteString(o.held)
		}
		want, wantStopped := stopAt(text, stop)
		if got.String() != want || stopped != wantStopped {
			t.Fatalf("%q with stops %q: %q, %v; want %q, %v", text, stop, got.String(), stopped, want, wantStopped)
		}
		if stopped {
			stops++
		}
	}
	if stops < 1000 {
		t.Errorf("only %d texts were stopped", stops)
	}
}

// TestHeldText says which text is certain after each token.
func TestHeldText(t *testing.T) {
	m := smallModel(t)
	ids := func(s string) []int32 { // one token a byte
		var list []int32
		for _, b := range []byte(s) {
			list = append(list, m.Tokenizer.Encode(nil, string([]byte{b}))...)
		}
		return list
	}
	for _, c := range []struct {
		text   string
		stop   []string
		pieces string // separated by |, the last one from flush
		cut    bool
	}{
		{"abc", nil, "a|b|c|", false},
		{"aé", nil, "a||é|", false},
		{"a\xc3", nil, "a||\uFFFD", false},
		{"\xe2\x82a", nil, "||\uFFFDa|", false},
		{"\x82\xff", nil, "\uFFFD|\uFFFD|", false},
		{"ab", []string{"ab"}, "|", true},
		{"xab", []string{"ab"}, "x||", true},
		{"xaab", []string{"ab"}, "x||a|", true},
		{"xac", []string{"ab"}, "x||ac|", false},
		{"xa", []string{"ab"}, "x||a", false},
		{"xa\xc3", []string{"ab"}, "x|||a\uFFFD", false},
		{"xa", []string{"", "ab"}, "x||a", false},
		{"xabc", []string{"bc", "abc"}, "x|||", true},
		{"xé", []string{"é"}, "x||", true},
		{"a\xc3", []string{"\uFFFD"}, "a||", false},
	} {
		o := newOutput(m.Tokenizer, c.stop, false, false)
		var pieces []string
		cut := false
		for _, id := range ids(c.text) {
			s, stopped, err := o.push(id)
			if err != nil || s.plain != s.text {
				t.Fatal(s, err)
			}
			pieces = append(pieces, s.text)
			if cut = stopped; cut {
				break
			}
		}
		rest, _ := o.flush()
		if !cut {
			pieces = append(pieces, rest.text)
		} else if rest != (said{}) {
			t.Errorf("%q with stops %q: flush after a stop string returned %q", c.text, c.stop, rest.text)
		}
		if got := strings.Join(pieces, "|"); strings.TrimSuffix(got, "|") != strings.TrimSuffix(c.pieces, "|") || cut != c.cut {
			t.Errorf("%q with stops %q: %q, %v; want %q, %v", c.text, c.stop, got, cut, c.pieces, c.cut)
		}
	}
	if _, _, err := (&output{tokenizer: m.Tokenizer, decoder: m.Tokenizer.NewDecoder()}).push(1 << 20); err == nil {
		t.Error("a token that does not exist was turned into text")
	}
}

// TestSpecialTokens compares what is shown, with and without special tokens, with the specification: the text of all tokens, cut by
// the stop strings, and the same without what the special ones spell.
func TestSpecialTokens(t *testing.T) {
	m := smallModel(t)
	rng := rand.New(rand.NewPCG(3, 1))
	var ids []int32
	for _, text := range []string{"t", "e", "<", "|", "us", "é", ">"} {
		ids = append(ids, m.Tokenizer.Encode(nil, text)...)
	}
	byte0, _ := m.Tokenizer.ID("Ã") // the first of two bytes
	ids = append(ids, byte0)
	user, _ := m.Tokenizer.ID("<|user|>")
	end, _ := m.Tokenizer.ID("<|endoftext|>")
	hidden, cuts := 0, 0
	for range 20_000 {
		stop := []string{"<|user|>", "er|>t", "t<|us", "eé", "|><|"}[:rng.IntN(6)]
		shown, plain := newOutput(m.Tokenizer, stop, true, false), newOutput(m.Tokenizer, nil, false, false)
		var list, visible []int32
		var all []byte
		var inside []bool // bytes of special tokens
		for range rng.IntN(9) {
			id := ids[rng.IntN(len(ids))]
			switch rng.IntN(4) {
			case 0:
				id = user
			case 1:
				id = end
			default:
				visible = append(visible, id)
			}
			list = append(list, id)
		}
		run := func(id int32) { // the text of all tokens, as it is when special tokens are shown
			was := len(validText(all))
			all, _ = m.Tokenizer.Decode(all, id)
			for range len(validText(all)) - was {
				inside = append(inside, id == user || id == end)
			}
		}
		for _, id := range list {
			run(id)
		}
		whole := validText(all)
		want, cut := stopAt(whole, stop)
		var wantPlain strings.Builder
		for i := range len(want) {
			if !inside[i] {
				wantPlain.WriteByte(want[i])
			}
		}
		var text, without, skipped strings.Builder
		stopped := false
		take := func(s said) { text.WriteString(s.text); without.WriteString(s.plain) }
		for _, id := range list {
			if !stopped {
				s, now, err := shown.push(id)
				if err != nil {
					t.Fatal(err)
				}
				take(s)
				stopped = now
			}
			s, _, err := plain.push(id)
			if err != nil {
				t.Fatal(err)
			}
			skipped.WriteString(s.text)
		}
		s, now := shown.flush()
		take(s)
		stopped = stopped || now
		s, _ = plain.flush()
		skipped.WriteString(s.text)
		if text.String() != want || stopped != cut {
			t.Fatalf("%d with stops %q: %q, %v; want %q, %v", list, stop, text.String(), stopped, want, cut)
		}
		if strings.ToValidUTF8(wantPlain.String(), "") == wantPlain.String() && without.String() != wantPlain.String() {
			t.Fatalf("%d with stops %q: without special tokens %q, want %q", list, stop, without.String(), wantPlain.String())
		}
		alone, err := m.Tokenizer.Decode(nil, visible...)
		if err != nil || skipped.String() != validText(alone) {
			t.Fatalf("%d: %q, want %q (%v)", list, skipped.String(), validText(alone), err)
		}
		if without.Len() < text.Len() {
			hidden++
		}
		if cut {
			cuts++
		}
	}
	if hidden < 1000 || cuts < 1000 {
		t.Errorf("%d texts with special tokens, %d stopped", hidden, cuts)
	}
}

// TestValidTextIsLossy checks the replacement of what is not UTF-8 against known answers of from_utf8_lossy.
func TestValidTextIsLossy(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"plain é の":                    "plain é の",
		"\xff":                         "\uFFFD",
		"\xff\xfe":                     "\uFFFD\uFFFD",
		"a\xe2\x82b":                   "a\uFFFDb",
		"\xf0\x9f\x8f":                 "\uFFFD",
		"\xf0\x9f\x8fa\xc3\xa9":        "\uFFFDaé",
		"\xed\xa0\x80":                 "\uFFFD\uFFFD\uFFFD", // a surrogate
		"\xc0\xaf":                     "\uFFFD\uFFFD",       // an overlong form
		"\xe2\x82\xe2\x82\xac\xe2\x82": "\uFFFD€\uFFFD",
	} {
		if got := validText([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
