package engine

import "nightshift/onnx/ort"

// inputs are the arrays that a run of the decode graph reads beside caches and adapters.
type inputs struct {
	ids, positions []int64 // [rows, tokens]
	index          []int64 // tokens whose logits are wanted
	lengths, total []int32 // [rows], [1]
}

func newInputs(rows, tokens, wanted int) inputs {
	n := rows * tokens
	return inputs{ids: make([]int64, n), positions: make([]int64, n), index: make([]int64, wanted), lengths: make([]int32, rows), total: make([]int32, 1)}
}

// bind binds the arrays. The tensors, also those made before an error, are the caller's to close.
func (in *inputs) bind(binding *ort.Binding) (tensors []*ort.Tensor, err error) {
	rows := len(in.lengths)
	matrix := []int64{int64(rows), int64(len(in.ids) / rows)}
	for _, array := range []struct {
		name string
		make func() (*ort.Tensor, error)
	}{
		{"input_ids", func() (*ort.Tensor, error) { return ort.NewTensor(matrix, in.ids) }},
		{"position_ids", func() (*ort.Tensor, error) { return ort.NewTensor(matrix, in.positions) }},
		{"logit_index", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{int64(len(in.index))}, in.index) }},
		{"seqlens_k", func() (*ort.Tensor, error) { return ort.NewTensor(matrix[:1], in.lengths) }},
		{"total_sequence_length", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{1}, in.total) }},
	} {
		t, err := array.make()
		if err != nil {
			return tensors, err
		}
		tensors = append(tensors, t)
		if err := binding.Input(array.name, t); err != nil {
			return tensors, err
		}
	}
	return tensors, nil
}
