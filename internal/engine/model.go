package engine

import (
	"fmt"

	"nightshift/models/checkpoint"
	"nightshift/models/template"
	"nightshift/models/tokenizer"
	"nightshift/onnx"
	"nightshift/onnx/gpt2"
)

// Model is a checkpoint with what turns text into its tokens.
type Model struct {
	Checkpoint *checkpoint.Checkpoint
	Config     gpt2.Config
	// Tokenizer is nil for a model that is only measured; its answers have tokens and no text.
	Tokenizer *tokenizer.Tokenizer
	// Template is nil for a model without a chat template.
	Template *template.Template
}

// LoadModel opens a Hugging Face GPT-2 directory. Converted weights are kept in cacheDir.
func LoadModel(dir, cacheDir string) (*Model, error) {
	c, err := checkpoint.Open(dir, cacheDir)
	if err != nil {
		return nil, err
	}
	m := &Model{Checkpoint: c, Config: gpt2.Config(c.Config())}
	if m.Tokenizer, err = tokenizer.Load(dir); err != nil {
		return nil, err
	}
	if n := m.Tokenizer.Size(); n > m.Config.Vocab {
		return nil, fmt.Errorf("load model %s: the tokenizer has %d tokens and the model only %d", dir, n, m.Config.Vocab)
	}
	if m.Config.EOS < 0 {
		m.Config.EOS = int(m.Tokenizer.EOS())
	}
	if m.Template, err = template.Load(dir); err != nil {
		if template.Present(dir) {
			return nil, err
		}
		m.Template = nil
	}
	return m, nil
}

// Initializer is a reference to a weight that is served, for a graph whose external data lies in Dir.
func (m *Model) Initializer(name string) (onnx.Tensor, error) { return m.Checkpoint.Initializer(name) }

// Dir is the folder of the weights that are served: a real path.
func (m *Model) Dir() string { return m.Checkpoint.Dir() }

// ChatTokens renders a conversation with the model's chat template, ready for the assistant's answer. What people
// wrote never becomes a special token.
func (m *Model) ChatTokens(messages []template.Message) ([]int32, error) {
	if m.Template == nil || m.Tokenizer == nil {
		return nil, fmt.Errorf("render chat: the model has no chat template; add chat_template.jinja to its directory or use /v1/completions")
	}
	pieces, err := m.Template.Render(messages, true)
	if err != nil {
		return nil, err
	}
	return tokenizer.EncodePieces(m.Tokenizer, nil, pieces)
}
