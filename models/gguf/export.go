package gguf

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"nightshift/internal/atomicfile"
	"nightshift/models/safetensors"
	"nightshift/models/tokenizer"
)

// Export writes the model into the directory dir, which must exist, as Hugging Face keeps one: config.json, generation_config.json with
// all ends of turn, tokenizer.json and tokenizer_config.json, chat_template.jinja where the file has a template, and model.safetensors,
// where F16 and BF16 tensors keep their type and all others become F32. Files of these names are replaced. It needs memory for a piece of
// a tensor only.
func Export(f *File, dir string) error {
	if err := export(f, dir); err != nil {
		return fmt.Errorf("export model: %w", err)
	}
	return nil
}

func export(f *File, dir string) error {
	m, err := f.describe()
	if err != nil {
		return err
	}
	weights, err := m.weights(f)
	if err != nil {
		return err
	}
	tensors := make([]safetensors.Raw, len(weights))
	for i, w := range weights {
		if tensors[i], err = w.stored(); err != nil {
			return err
		}
	}
	if err := m.vocabulary.write(dir); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, "config.json"), m.config(weights)); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, "generation_config.json"), m.generation()); err != nil {
		return err
	}
	return atomicfile.Create(filepath.Join(dir, "model.safetensors"), 0o644, func(w io.Writer) error {
		return safetensors.WriteRaw(w, tensors, map[string]string{"format": "pt"})
	})
}

// write writes the files of the tokenizer and the chat template.
func (v *Vocabulary) write(dir string) error {
	data, config, err := tokenizer.FromGGUF(v.GGUF)
	if err != nil {
		return err
	}
	files := map[string][]byte{"tokenizer.json": data, "tokenizer_config.json": config}
	if v.ChatTemplate != "" {
		files["chat_template.jinja"] = []byte(v.ChatTemplate)
	}
	for name, content := range files {
		if err := atomicfile.Write(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generation is the content of generation_config.json.
func (m *model) generation() map[string]any {
	c := map[string]any{}
	if len(m.vocabulary.Ends) > 0 {
		c["eos_token_id"] = m.vocabulary.Ends
	}
	if m.vocabulary.BOS >= 0 {
		c["bos_token_id"] = m.vocabulary.BOS
	}
	if m.vocabulary.Padding >= 0 {
		c["pad_token_id"] = m.vocabulary.Padding
	}
	return c
}

// stored is the weight as safetensors writes it.
func (w Weight) stored() (safetensors.Raw, error) {
	if _, err := w.Tensor.Type.readable(); err != nil {
		return safetensors.Raw{}, fmt.Errorf("tensor %s: %w", w.Tensor.Name, err)
	}
	kept, ok := map[Type]safetensors.DType{F16: safetensors.F16, BF16: safetensors.BF16}[w.Tensor.Type]
	if !ok {
		return safetensors.Tensor{Name: w.Name, Shape: w.Tensor.Shape, Read: w.Chunks}.Raw(), nil
	}
	return safetensors.Raw{Name: w.Name, Type: kept, Shape: w.Tensor.Shape, Read: w.checked}, nil
}

// checked is Raw of a type without blocks whose values are all finite.
func (w Weight) checked(visit func([]byte) error) error {
	_, bytes := w.Tensor.Type.Block()
	var values []float32
	return w.rows.each(func(at int64, raw []byte) error {
		n := len(raw) / int(bytes)
		if len(values) < n {
			values = make([]float32, n)
		}
		if err := w.rows.decode(values[:n], raw, at); err != nil {
			return err
		}
		return visit(raw)
	})
}

func writeJSON(path string, content any) error {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, append(data, '\n'), 0o644)
}
