package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/quantize"
	"nightshift/models/template"
	"nightshift/models/tokenizer"
	"nightshift/onnx"
)

// Model is a checkpoint with what turns text into its tokens.
type Model struct {
	// Checkpoint is the float32 model: it names the model, and it is what adapters are trained on.
	Checkpoint *checkpoint.Checkpoint
	// Quantized is what is served in its place; nil serves the checkpoint itself.
	Quantized *quantize.Checkpoint
	Config    arch.Shape
	// Tokenizer is nil for a model that is only measured; its answers have tokens and no text.
	Tokenizer *tokenizer.Tokenizer
	// Template is nil for a model without a chat template.
	Template *template.Template
	// Ends are the tokens that an answer ends with, ascending: all that config.json, generation_config.json and the tokenizer's
	// files name. A model that is only measured has none.
	Ends []int32
	// End is the one of Ends that training puts after an answer, −1 where there is none; see WithEnd.
	End int32
	// Gaps are the ids of the vocabulary that no token has, ascending: they are never sampled.
	Gaps []int32
	// Padding is how many rows the weights have beyond the tokenizer's last token. They are not in Config.Vocab and not computed.
	Padding int
}

// LoadModelAs is LoadModel with the weights that are served in a format: quantize.Float32, Int8 or Int4. The last two must
// have been made before.
func LoadModelAs(dir, cacheDir, weights string) (*Model, error) {
	m, err := LoadModel(dir, cacheDir)
	if err != nil {
		return nil, err
	}
	if err := m.ServeFrom(dir, cacheDir, weights); err != nil {
		return nil, err
	}
	return m, nil
}

// ServeFrom is Serve for a model that was loaded from dir; its error says how to make weights that are missing.
func (m *Model) ServeFrom(dir, cacheDir, weights string) error {
	if err := m.Serve(weights, cacheDir); err != nil {
		return fmt.Errorf("%w: run nightshift import %s --weights %s", err, dir, weights)
	}
	return nil
}

// Serve chooses the format of the weights that are served; "" is float32. It is for a model that no engine has yet.
func (m *Model) Serve(weights, cacheDir string) error {
	switch weights {
	case "", quantize.Float32:
		m.Quantized = nil
		return nil
	case quantize.Int8, quantize.Int4:
	default:
		return fmt.Errorf("serve weights as %q: use %s, %s or %s", weights, quantize.Float32, quantize.Int8, quantize.Int4)
	}
	q, err := quantize.Load(cacheDir, m.Checkpoint, weights)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("serve weights as %s: they were not made yet, or by another version of the program", weights)
	}
	if err != nil {
		return fmt.Errorf("serve weights as %s: %w", weights, err)
	}
	m.Quantized = q
	return nil
}

// Weights names the format of the weights that are served, as the configuration and interactions have it: f32, int8 or int4.
func (m *Model) Weights() string {
	if m.Quantized != nil {
		return m.Quantized.Format()
	}
	return quantize.Float32
}

// InputScale is what the inputs of a linear, such as h.0.attn.c_attn or lm_head, are divided by in the weights that are
// served; nil for 1. See quantize.Checkpoint.
func (m *Model) InputScale(linear string) []float32 {
	if m.Quantized == nil {
		return nil
	}
	return m.Quantized.InputScale(linear)
}

// LoadModel opens the directory of a Hugging Face model. Converted weights are kept in cacheDir.
func LoadModel(dir, cacheDir string) (*Model, error) {
	c, err := checkpoint.Open(dir, cacheDir)
	if err != nil {
		return nil, err
	}
	m := &Model{Checkpoint: c, Config: c.Shape()}
	if m.Tokenizer, err = tokenizer.Load(dir); err != nil {
		return nil, err
	}
	if err := m.adopt(); err != nil {
		return nil, fmt.Errorf("load model %s: %w", dir, err)
	}
	if m.Template, err = template.Load(dir); err != nil {
		if template.Present(dir) {
			return nil, err
		}
		m.Template = nil
	}
	m.End = m.taughtEnd()
	return m, nil
}

// Initializer is a reference to a weight that is served, for a graph whose external data lies in Dir.
func (m *Model) Initializer(name string) (onnx.Tensor, error) {
	if m.Quantized != nil {
		return m.Quantized.Initializer(name)
	}
	return m.Checkpoint.Initializer(name)
}

// int8Copies says whether weights of 4 bits have int8 copies for products of many rows.
func (m *Model) int8Copies() bool { return m.Quantized != nil && m.Quantized.Int8Copies() }

// Dir is the folder of the weights that are served: a real path.
func (m *Model) Dir() string {
	if m.Quantized != nil {
		return m.Quantized.Dir()
	}
	return m.Checkpoint.Dir()
}

// ChatTokens renders a conversation with the model's chat template, ready for the assistant's answer. What people
// wrote never becomes a special token.
func (m *Model) ChatTokens(messages []template.Message) ([]int32, error) {
	return m.ChatTokensWith(messages, nil, true)
}

// ChatTokensWith is ChatTokens with variables of a request for the template; open says that the assistant's answer follows. A
// variable that is refused, because its name is taken or a text in it would become a special token, is a *template.VariableError.
func (m *Model) ChatTokensWith(messages []template.Message, variables map[string]any, open bool) ([]int32, error) {
	if m.Template == nil || m.Tokenizer == nil {
		return nil, fmt.Errorf("render chat: the model has no chat template; add chat_template.jinja to its directory or use /v1/completions")
	}
	t, err := m.Template.With(variables)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if m.spellsSpecial(variables[name]) {
			return nil, &template.VariableError{Name: name, Reason: "holds a special token"}
		}
	}
	pieces, err := t.Render(messages, open)
	if err != nil {
		return nil, err
	}
	return tokenizer.EncodePieces(m.Tokenizer, nil, pieces)
}

// spellsSpecial reports whether a text in a variable, or a name in it, holds a special token.
func (m *Model) spellsSpecial(v any) bool {
	switch v := v.(type) {
	case string:
		ids, err := tokenizer.EncodePieces(m.Tokenizer, nil, []template.Piece{{Text: v, Special: true}})
		return err != nil || slices.ContainsFunc(ids, m.Tokenizer.IsSpecial)
	case []any:
		return slices.ContainsFunc(v, m.spellsSpecial)
	case map[string]any:
		for name, item := range v {
			if m.spellsSpecial(name) || m.spellsSpecial(item) {
				return true
			}
		}
	}
	return false
}
