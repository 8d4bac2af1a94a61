package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// Decode appends the text of ids to dst; an id that does not exist is an error. Special tokens decode to their spelling.
func (t *Tokenizer) Decode(dst []byte, ids ...int32) ([]byte, error) {
	base := len(dst)
	for _, id := range ids {
		var err error
		if dst, err = t.append(dst, id, len(dst) == base); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// append appends the bytes of one token; first says that no text comes before it.
func (t *Tokenizer) append(dst []byte, id int32, first bool) ([]byte, error) {
	if id < 0 || int(id) >= len(t.tokens) || t.tokens[id] == "" {
		return dst, fmt.Errorf("decode token %d: the vocabulary of %d tokens does not have it", id, len(t.tokens))
	}
	if t.pipeline != nil && first {
		return append(dst, t.pipeline.atStart(t.tokens[id])...), nil
	}
	return append(dst, t.tokens[id]...), nil
}

// Decoder turns the tokens of one stream into text, and never ends a piece inside a character: the bytes of a character
// that is not complete wait for the next token. All its pieces and what Flush returns, put together, are what Decode
// makes of the same ids. Bytes that can no longer become UTF-8 are passed on as they are.
type Decoder struct {
	tokenizer *Tokenizer
	buffer    []byte // what the last Push returned, then the bytes that wait
	sent      int    // how much of buffer was returned
	started   bool
}

// NewDecoder returns the decoder of one stream.
func (t *Tokenizer) NewDecoder() *Decoder { return &Decoder{tokenizer: t} }

// Push takes the next token and returns the text that became complete, often none. The slice is valid until the next
// call. An id that does not exist is an error and leaves the decoder as it was.
func (d *Decoder) Push(id int32) (text []byte, err error) {
	rest := copy(d.buffer, d.buffer[d.sent:])
	d.buffer, d.sent = d.buffer[:rest], 0
	if d.buffer, err = d.tokenizer.append(d.buffer, id, !d.started); err != nil {
		return nil, err
	}
	d.started = true
	d.sent = complete(d.buffer)
	return d.buffer[:d.sent], nil
}

// Flush ends the stream and returns the bytes that were held back, an incomplete character. The decoder is then ready
// for another stream.
func (d *Decoder) Flush() []byte {
	rest := d.buffer[d.sent:]
	d.buffer, d.sent, d.started = d.buffer[:0], 0, false
	return rest
}

// complete returns the length of b without a character at its end that further bytes may complete.
func complete(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}
