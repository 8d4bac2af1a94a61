package engine

import (
	"fmt"
	"math"
	"slices"

	"nightshift/models/template"
)

// adopt makes what the files say of tokens fit together: the vocabulary is that of the tokenizer, and an answer ends with any token
// that one of the files names.
func (m *Model) adopt() error {
	size := m.Tokenizer.Size()
	if size > m.Config.Vocab {
		last, _ := m.Tokenizer.Decode(nil, int32(size-1)) // the highest id has a token
		return fmt.Errorf("the tokenizer has %d tokens, the last of them %q, and the model only %d (vocab_size of config.json): "+
			"resize the model's embedding, or take the added tokens out of the tokenizer's files", size, last, m.Config.Vocab)
	}
	if m.Padding = m.Config.Vocab - size; m.Padding > 0 {
		trimmed, err := m.Checkpoint.Trimmed(size)
		if err != nil {
			return err
		}
		m.Checkpoint, m.Config.Vocab = trimmed, size
	}
	m.Gaps = m.Tokenizer.Gaps()
	ends := append(m.Checkpoint.Ends(), m.Tokenizer.EOS())
	ends = slices.DeleteFunc(ends, func(id int32) bool { return !m.Tokenizer.Has(id) })
	slices.Sort(ends)
	m.Ends = slices.Compact(ends)
	return nil
}

// Begin is the token that texts begin with: the tokenizer's bos_token, or else bos_token_id of config.json, −1 for none. GPT-2 was
// trained on texts that begin with its end-of-text token.
func (m *Model) Begin() int32 {
	for _, id := range []int32{m.Tokenizer.BOS(), int32(m.Config.BOS)} {
		if m.Tokenizer.Has(id) {
			return id
		}
	}
	return -1
}

// IsEnd says whether an answer ends with a token.
func (m *Model) IsEnd(id int32) bool { return slices.Contains(m.Ends, id) }

// WithEnd appends to the tokens of an answer the end that it is taught to have, if the model has one.
func (m *Model) WithEnd(answer []int32) []int32 {
	if m.End < 0 {
		return answer
	}
	return append(answer, m.End)
}

// taughtEnd chooses End: what the chat template puts after an answer, if it is one of Ends; or else the tokenizer's end-of-text
// token; or else the first that config.json names, or the lowest of all.
func (m *Model) taughtEnd() int32 {
	for _, id := range []int32{m.afterAnswer(), m.Tokenizer.EOS(), int32(m.Config.EOS)} {
		if m.IsEnd(id) {
			return id
		}
	}
	if len(m.Ends) > 0 {
		return m.Ends[0]
	}
	return -1
}

// afterAnswer is the first end that the chat template puts after an answer, −1 for none.
func (m *Model) afterAnswer() int32 {
	if m.Template == nil {
		return -1
	}
	pieces, err := m.Template.Render([]template.Message{{Role: "user", Content: "Hello"}, {Role: "assistant", Content: "Hello"}}, false)
	if err != nil { // it refuses such a conversation
		return -1
	}
	after := ""
	for _, p := range pieces {
		if after += p.Text; !p.Special {
			after = ""
		}
	}
	for _, id := range m.Tokenizer.EncodeSpecial(nil, after) {
		if m.IsEnd(id) {
			return id
		}
	}
	return -1
}

// mask forbids the ids that no token has, in rows of logits, before anything is made of these.
func (m *Model) mask(logits []float32) {
	for ; len(m.Gaps) > 0 && len(logits) > 0; logits = logits[m.Config.Vocab:] {
		for _, id := range m.Gaps {
			logits[id] = float32(math.Inf(-1))
		}
	}
}
