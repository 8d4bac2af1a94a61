package engine

import (
	"strings"
	"unicode/utf8"

	"nightshift/models/tokenizer"
)

// output turns tokens into text: it holds back incomplete runes and whatever could become a stop string. What it
// returns is always valid UTF-8, and all of it together does not depend on how the text was cut into tokens. Special tokens have
// no text, unless they are to be shown.
type output struct {
	tokenizer *tokenizer.Tokenizer
	decoder   *tokenizer.Decoder // nil: tokens without text
	show      bool               // special tokens, as their files spell them
	stop      []string           // none is empty
	held      string
	special   []span // where special tokens are shown, from the beginning of held
	stopped   bool
}

// span is a part of a text, in bytes.
type span struct{ from, to int }

// said is text that has become certain, and the same without special tokens.
type said struct{ text, plain string }

func newOutput(t *tokenizer.Tokenizer, stop []string, show, goesOn bool) output {
	o := output{tokenizer: t, show: show}
	if t == nil {
		return o
	}
	if o.decoder = t.NewDecoder(); goesOn {
		o.decoder = t.NewDecoderOfMore()
	}
	for _, s := range stop {
		if s != "" {
			o.stop = append(o.stop, s)
		}
	}
	return o
}

// push adds a token and returns the text that is now certain; stopped says that a stop string was reached, and the text is
// then what came before it.
func (o *output) push(id int32) (s said, stopped bool, err error) {
	if o.decoder == nil {
		return said{}, false, nil
	}
	special := o.tokenizer.IsSpecial(id)
	if special && !o.show {
		return said{}, false, nil
	}
	bytes, err := o.decoder.Push(id)
	if err != nil {
		return said{}, false, err
	}
	fresh := validText(bytes)
	if special { // what came before it is complete with it, and it is whole
		name, err := o.tokenizer.Decode(nil, id)
		if err != nil {
			return said{}, false, err
		}
		end := len(o.held) + len(fresh)
		o.special = append(o.special, span{end - len(name), end})
	}
	text, stopped := o.release(fresh)
	return o.split(text), stopped, nil
}

// split takes the special tokens out of text that was released, which began where held began.
func (o *output) split(text string) said {
	s := said{text, text}
	if len(o.special) == 0 {
		return s
	}
	var plain strings.Builder
	at, n := 0, len(text)
	later := o.special[:0]
	for _, p := range o.special {
		if p.from < n {
			plain.WriteString(text[at:p.from])
			at = min(p.to, n)
		}
		if p.to > n {
			later = append(later, span{max(0, p.from-n), p.to - n})
		}
	}
	plain.WriteString(text[at:])
	o.special, s.plain = later, plain.String()
	return s
}

// flush returns what was held back when the answer ended without a stop string; an incomplete rune becomes U+FFFD.
func (o *output) flush() (s said, stopped bool) {
	if o.decoder == nil || o.stopped {
		return said{}, false
	}
	text, stopped := o.release(validText(o.decoder.Flush()))
	if !stopped {
		text, o.held = text+o.held, ""
	}
	return o.split(text), stopped
}

// validText replaces what is not UTF-8 by U+FFFD, one for each maximal part of a character (Unicode 15, section 3.9), as
// Rust's from_utf8_lossy and Python's errors="replace" do. A character never lies across two calls, so the replacement
// does not depend on token borders.
func validText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var text strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			for n < len(b) && !utf8.FullRune(b[:n+1]) {
				n++
			}
		}
		text.WriteRune(r)
		b = b[n:]
	}
	return text.String()
}
