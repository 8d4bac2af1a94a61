package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// Decode appends the text of ids to dst; an id that does not exist is an error. Special tokens decode to their spelling. Where a
// vocabulary puts a space before texts, the text loses it.
func (t *Tokenizer) Decode(dst []byte, ids ...int32) ([]byte, error) {
	strip := t.strip
	for _, id := range ids {
		var err error
		if dst, err = t.append(dst, id, &strip); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// append appends the bytes of one token; strip is how many spaces the text still loses, 0 once it has begun.
func (t *Tokenizer) append(dst []byte, id int32, strip *int) ([]byte, error) {
	if id < 0 || int(id) >= len(t.tokens) || t.tokens[id] == "" {
		return dst, fmt.Errorf("decode token %d: the vocabulary of %d tokens does not have it", id, len(t.tokens))
	}
	text := t.tokens[id]
	for ; *strip > 0 && text != "" && text[0] == ' '; *strip-- {
		text = text[1:]
	}
	if text != "" {
		*strip = 0
	}
	return append(dst, text...), nil
}

// Decoder turns the tokens of one stream into text, and never ends a piece inside a character: the bytes of a character
// that is not complete wait for the next token. All its pieces and what Flush returns, put together, are what Decode
// makes of the same ids. Bytes that can no longer become UTF-8 are passed on as they are.
type Decoder struct {
	tokenizer *Tokenizer
	buffer    []byte // what the last Push returned, then the bytes that wait
	sent      int    // how much of buffer was returned
	strip     int    // spaces that the text still loses
}

// NewDecoder returns the decoder of one stream, whose first token begins a text.
func (t *Tokenizer) NewDecoder() *Decoder { return &Decoder{tokenizer: t, strip: t.strip} }

// NewDecoderOfMore returns the decoder of one stream that goes on where other text ended: a space at its beginning is kept.
func (t *Tokenizer) NewDecoderOfMore() *Decoder { return &Decoder{tokenizer: t} }

// Push takes the next token and returns the text that became complete, often none. The slice is valid until the next
// call. An id that does not exist is an error and leaves the decoder as it was.
func (d *Decoder) Push(id int32) (text []byte, err error) {
	rest := copy(d.buffer, d.buffer[d.sent:])
	d.buffer, d.sent = d.buffer[:rest], 0
	if d.buffer, err = d.tokenizer.append(d.buffer, id, &d.strip); err != nil {
		return nil, err
	}
	d.sent = complete(d.buffer)
	return d.buffer[:d.sent], nil
}

// Flush ends the stream and returns the bytes that were held back, an incomplete character. The decoder is then ready
// for another stream, which begins a text.
func (d *Decoder) Flush() []byte {
	rest := d.buffer[d.sent:]
	d.buffer, d.sent, d.strip = d.buffer[:0], 0, d.tokenizer.strip
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
