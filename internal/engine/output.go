package engine

import (
	"strings"

	"nightshift/models/tokenizer"
)

// output turns tokens into text: it holds back incomplete runes and whatever could become a stop string.
type output struct {
	decoder *tokenizer.Decoder
	stop    []string
	held    string
}

// push adds a token and returns the text that is now certain; stopped says that a stop string was reached, and text is
// then what came before it.
func (o *output) push(id int32) (text string, stopped bool, err error) {
	fresh, err := o.decoder.Push(id)
	if err != nil {
		return "", false, err
	}
	text, stopped = o.release(string(fresh))
	return text, stopped, nil
}

// release appends fresh text and returns all of it that can no longer be part of a stop string.
func (o *output) release(fresh string) (text string, stopped bool) {
	o.held += fresh
	cut := -1
	for _, s := range o.stop {
		if i := strings.Index(o.held, s); i >= 0 && (cut < 0 || i < cut) {
			cut = i
		}
	}
	if cut >= 0 {
		text, o.held = o.held[:cut], ""
		return text, true
	}
	keep := 0
	for _, s := range o.stop {
		for n := min(len(s)-1, len(o.held)); n > keep; n-- {
			if strings.HasSuffix(o.held, s[:n]) {
				keep = n
				break
			}
		}
	}
	text, o.held = o.held[:len(o.held)-keep], o.held[len(o.held)-keep:]
	return text, false
}

// flush returns what was held back when the answer ended without a stop string; an incomplete rune becomes U+FFFD.
func (o *output) flush() string {
	text, stopped := o.release(strings.ToValidUTF8(string(o.decoder.Flush()), "\uFFFD"))
	if stopped {
		return text
	}
	text, o.held = text+o.held, ""
	return text
}
