package work

import (
	"nightshift/internal/engine"
	"nightshift/models/arch"
	"nightshift/update/selection"
)

// minColumns is how long rows are at least, where the settings and the model's context allow it: many short examples share one.
const minColumns = 256

// microNumbers bounds the numbers that a microbatch keeps for its backward pass: about 1.2 GB.
const microNumbers = 300 << 20

// rowsFor is t with rows no longer than the longest example needs, and microbatches of no more rows than memory has room for. A step has
// about as many tokens as before. Attention in a row costs the square of its length, whatever the examples in it.
func (t Train) rowsFor(shape arch.Shape, longest int) Train {
	t.Columns = min(t.Columns, shape.Context)
	tokens := t.Rows * t.Columns
	step := tokens * t.Micro
	t.Columns = min(t.Columns, max(minColumns, (longest+63)/64*64))
	room := microNumbers / numbersOf(shape, t.Columns)
	t.Rows = max(1, min(tokens, room)/t.Columns)
	t.Micro = max(1, step/(t.Rows*t.Columns))
	return t
}

// numbersOf estimates the numbers that training keeps of a token in rows of some length: in each layer some hidden states, some of the
// feed-forward part and a row of each head's scores three times, and some rows of logits where every token has loss. It is about what
// the runtime was seen to take.
func numbersOf(shape arch.Shape, columns int) int {
	return shape.Layers*(16*shape.Width+8*shape.Inner+3*shape.Heads*columns) + 5*shape.Vocab
}

// longest is the number of tokens of the longest example, with the longest of its answers.
func longest(m *engine.Model, items []selection.Item) (n int) {
	for _, it := range items {
		prompt, err := promptTokens(m, it.Example)
		if err != nil {
			continue // whoever makes a sequence of it says why
		}
		for _, answer := range []string{it.Completion, it.Chosen, it.Rejected} {
			n = max(n, len(m.Answer(prompt, answer)))
		}
	}
	return n
}
