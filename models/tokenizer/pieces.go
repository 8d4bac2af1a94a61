package tokenizer

import "strings"

// Piece is a part of a prompt: template.Piece has the same fields.
type Piece struct {
	Text    string
	Special bool // registered special tokens in it are special
}

// EncodePieces appends the ids of a prompt that is partly a template's and partly its messages'. Only a special token
// that lies within one special piece is one; all other text is encoded as if it were in one piece, so that words which
// begin in one and end in the next have the ids that the model was trained on. Prefix is not put before it: a template
// writes the token that its conversations begin with.
func EncodePieces[P ~struct {
	Text    string
	Special bool
}](t *Tokenizer, dst []int32, pieces []P) ([]int32, error) {
	var all strings.Builder
	for _, p := range pieces {
		all.WriteString(Piece(p).Text)
	}
	text, done, end := all.String(), 0, 0
	for _, p := range pieces {
		from := max(done, end)
		end += len(Piece(p).Text)
		for Piece(p).Special && from < end {
			m := t.all.find(text, done, from, end)
			if !m.ok {
				break
			}
			var err error
			if dst, err = t.between(dst, text, done, m.from, &t.plain, begins); err != nil {
				return dst, err
			}
			dst = append(dst, m.id)
			done, from = m.to, m.to
		}
	}
	return t.between(dst, text, done, len(text), &t.plain, begins)
}
