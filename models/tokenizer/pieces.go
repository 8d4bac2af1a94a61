package tokenizer

// Piece is a part of a prompt: template.Piece has the same fields.
type Piece struct {
	Text    string
	Special bool // registered special tokens in it are special
}

// EncodePieces appends the ids of a prompt that is partly a template's and partly its messages'. Only a special token
// that lies within one special piece is one; all other text is encoded as if it were in one piece, so that words which
// begin in one and end in the next have the ids that the model was trained on.
func EncodePieces[P ~struct {
	Text    string
	Special bool
}](t *Tokenizer, dst []int32, pieces []P) ([]int32, error) {
	var text []byte
	flush := func() (err error) {
		dst, err = t.encode(dst, string(text), &t.plain)
		text = text[:0]
		return err
	}
	for _, p := range pieces {
		piece := Piece(p)
		for piece.Special && piece.Text != "" {
			start, end, id := t.all.find(piece.Text)
			text = append(text, piece.Text[:start]...)
			if end > start {
				if err := flush(); err != nil {
					return dst, err
				}
				dst = append(dst, id)
			}
			piece.Text = piece.Text[end:]
		}
		text = append(text, piece.Text...)
	}
	return dst, flush()
}
