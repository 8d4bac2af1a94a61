package kv

import "nightshift/onnx/ort"

// Logits is the memory that runs write logits to, [rows, vocabulary].
type Logits struct {
	vocab int
	data  []float32
}

// NewLogits reserves rows.
func NewLogits(rows, vocab int) *Logits {
	return &Logits{vocab: vocab, data: ort.AlignedFloats(rows * vocab)}
}

// Close frees the memory once no tensor lies over it.
func (l *Logits) Close() error { return ort.FreeFloats(l.data) }

// Row is one row, [vocabulary].
func (l *Logits) Row(i int) []float32 { return l.data[i*l.vocab:][:l.vocab] }

// Rows are the first n rows, [n, vocabulary].
func (l *Logits) Rows(n int) []float32 { return l.data[:n*l.vocab] }

// Bind binds the first n rows as a graph's logits. The tensor, also one made before an error, is the caller's to close.
func (l *Logits) Bind(binding *ort.Binding, n int) (*ort.Tensor, error) {
	t, err := ort.NewTensor([]int64{int64(n), int64(l.vocab)}, l.Rows(n))
	if err != nil {
		return nil, err
	}
	return t, binding.Output("logits", t)
}
