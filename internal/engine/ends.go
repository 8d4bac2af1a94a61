package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"

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

// Begin is the token that texts begin with, −1 for none: what the tokenizer's files put before every text, or, of a family whose files
// leave it out though the model was trained so, the tokenizer's bos_token or else bos_token_id of config.json.
func (m *Model) Begin() int32 {
	if prefix := m.Tokenizer.Prefix(); len(prefix) > 0 {
		return prefix[0]
	}
	if !m.Config.TextsBegin() {
		return -1
	}
	for _, id := range []int32{m.Tokenizer.BOS(), int32(m.Config.BOS)} {
		if m.Tokenizer.Has(id) {
			return id
		}
	}
	return -1
}

// IsEnd says whether an answer ends with a token.
func (m *Model) IsEnd(id int32) bool { return slices.Contains(m.Ends, id) }

// Answer appends an answer to the tokens of its prompt, with the end that it is taught to have.
func (m *Model) Answer(prompt []int32, text string) []int32 {
	return m.WithEnd(m.Tokenizer.EncodeMore(prompt, text))
}

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
	after := m.afterAnswer()
	if i := slices.IndexFunc(after, m.IsEnd); i >= 0 {
		return after[i]
	}
	for _, id := range []int32{m.Tokenizer.EOS(), int32(m.Config.EOS)} {
		if m.IsEnd(id) {
			return id
		}
	}
	if len(m.Ends) > 0 {
		return m.Ends[0]
	}
	return -1
}

// afterAnswer is what the chat template puts after an answer: none without a template, or where it refuses to end with one.
func (m *Model) afterAnswer() []int32 {
	if m.Template == nil {
		return nil
	}
	pieces, err := m.Template.Render([]template.Message{{Role: "user", Content: "Hello"}, {Role: "assistant", Content: "Hello"}}, false)
	if err != nil {
		return nil
	}
	after := ""
	for _, p := range pieces {
		if after += p.Text; !p.Special {
			after = ""
		}
	}
	return m.Tokenizer.EncodeSpecial(nil, after)
}

// Notes say, for people, what was made of files that do not quite fit together.
func (m *Model) Notes() (notes []string) {
	if m.Padding > 0 {
		notes = append(notes, fmt.Sprintf("the weights have %d rows more than the tokenizer has tokens; they are left out", m.Padding))
	}
	if n := len(m.Gaps); n > 0 {
		notes = append(notes, fmt.Sprintf("%d ids from %d on have no token and are never sampled", n, m.Gaps[0]))
	}
	if unused := m.Checkpoint.Unused(); len(unused) > 0 {
		notes = append(notes, "a language model does not use "+strings.Join(unused, ", ")+"; served without")
	}
	return notes
}

// Doubts say, for people, why answers of the model may not end.
func (m *Model) Doubts() []string {
	if len(m.Ends) == 0 {
		return []string{"no token ends an answer: name one as eos_token_id in config.json or generation_config.json"}
	}
	after := m.afterAnswer()
	if i := slices.IndexFunc(after, m.Tokenizer.IsSpecial); i >= 0 && !slices.ContainsFunc(after, m.IsEnd) {
		name, _ := m.Tokenizer.Decode(nil, after[i]) // it was encoded a moment ago
		return []string{fmt.Sprintf("the chat template ends an answer with %q, which no file names as an end: add %d to eos_token_id in generation_config.json", name, after[i])}
	}
	return nil
}

// mask forbids the ids that no token has, in rows of logits, before anything is made of these.
func (m *Model) mask(logits []float32) {
	for ; len(m.Gaps) > 0 && len(logits) > 0; logits = logits[m.Config.Vocab:] {
		for _, id := range m.Gaps {
			logits[id] = float32(math.Inf(-1))
		}
	}
}
