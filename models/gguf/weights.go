package gguf

import (
	"fmt"
	"slices"
)

// Weight is a tensor under the name that Hugging Face has for it, with its rows in Hugging Face's order.
//
// Files of architecture llama, and only they, keep the rows of q and k of each head in the order of an interleaved rotation: row 2i + j
// of the file is row j·headDim/2 + i. All methods undo that, whatever the type: blocks lie within rows. They read from the File, which must
// stay open.
type Weight struct {
	Name     string // such as model.layers.0.self_attn.q_proj.weight
	Tensor   Tensor // in the file; its Shape is Hugging Face's too
	Permuted bool   // the file has the rows in another order
	rows     rows
}

// Chunks is File.Chunks of the weight.
func (w Weight) Chunks(visit func([]float32) error) error { return w.rows.chunks(visit) }

// Raw hands the weight's bytes, blocks of Tensor.Type, to visit piece by piece, row after row. The slice is reused.
func (w Weight) Raw(visit func([]byte) error) error {
	return w.rows.each(func(_ int64, raw []byte) error { return visit(raw) })
}

// Blocks is File.Blocks of the weight.
func (w Weight) Blocks(visit func(*Block) error) error { return w.rows.blocks(visit) }

// Pack is File.Pack of the weight.
func (w Weight) Pack() (*Packed, error) { return w.rows.pack() }

// Weights lists the tensors of a model of the architectures llama, qwen2 and qwen3: embedding, layers, norm, head. It refuses, by name,
// tensors that are missing, that have another shape than the metadata says, or that the family does not have. rope_freqs.weight is not
// among them: Config says what it holds.
func (f *File) Weights() ([]Weight, error) {
	m, err := f.describe()
	if err != nil {
		return nil, fmt.Errorf("list weights: %w", err)
	}
	weights, err := m.weights(f)
	if err != nil {
		return nil, fmt.Errorf("list weights: %w", err)
	}
	return weights, nil
}

// part is a tensor that a model has.
type part struct {
	from, to string // names in the file and in Hugging Face's form
	shape    []int64
	permuted bool
}

// parts lists all tensors of the model but rope_freqs.weight.
func (m *model) parts(yield func(part) bool) {
	if !yield(part{from: "token_embd.weight", to: "model.embed_tokens.weight", shape: []int64{m.vocab, m.width}}) {
		return
	}
	layer := m.layer()
	for i := range m.layers {
		for _, p := range layer {
			p.from, p.to = fmt.Sprintf("blk.%d.%s", i, p.from), fmt.Sprintf("model.layers.%d.%s", i, p.to)
			if !yield(p) {
				return
			}
		}
	}
	if !yield(part{from: "output_norm.weight", to: "model.norm.weight", shape: []int64{m.width}}) {
		return
	}
	if !m.tied {
		yield(part{from: "output.weight", to: "lm_head.weight", shape: []int64{m.vocab, m.width}})
	}
}

// layer lists the tensors of one layer, named from the layer on.
func (m *model) layer() []part {
	var parts []part
	vector := func(from, to string, n int64) {
		parts = append(parts, part{from: from + ".weight", to: to + ".weight", shape: []int64{n}})
	}
	linear := func(from, to string, out, in int64, permuted, bias bool) {
		permuted = permuted && m.architecture == "llama"
		parts = append(parts, part{from + ".weight", to + ".weight", []int64{out, in}, permuted})
		if bias {
			parts = append(parts, part{from + ".bias", to + ".bias", []int64{out}, permuted})
		}
	}
	queries, keys := m.heads*m.headDim, m.keyHeads*m.headDim
	bias := m.attentionBias || m.kind == "qwen2" // qwen2 has them on q, k and v
	vector("attn_norm", "input_layernorm", m.width)
	linear("attn_q", "self_attn.q_proj", queries, m.width, true, bias)
	linear("attn_k", "self_attn.k_proj", keys, m.width, true, bias)
	linear("attn_v", "self_attn.v_proj", keys, m.width, false, bias)
	linear("attn_output", "self_attn.o_proj", m.width, queries, false, m.attentionBias)
	if m.kind == "qwen3" {
		vector("attn_q_norm", "self_attn.q_norm", m.headDim)
		vector("attn_k_norm", "self_attn.k_norm", m.headDim)
	}
	vector("ffn_norm", "post_attention_layernorm", m.width)
	linear("ffn_gate", "mlp.gate_proj", m.inner, m.width, false, m.mlpBias)
	linear("ffn_up", "mlp.up_proj", m.inner, m.width, false, m.mlpBias)
	linear("ffn_down", "mlp.down_proj", m.width, m.inner, false, m.mlpBias)
	return parts
}

// weights matches the model's tensors with those of the file.
func (m *model) weights(f *File) ([]Weight, error) {
	known := map[string]bool{}
	if m.architecture == "llama" {
		known[frequencies] = true
	}
	var weights []Weight
	for p := range m.parts {
		t, ok := f.Tensor(p.from)
		if !ok {
			return nil, fmt.Errorf("tensor %s is missing; a model of type %s has it", p.from, m.kind)
		}
		if !slices.Equal(t.Shape, p.shape) {
			return nil, fmt.Errorf("tensor %s has shape %v, want %v", p.from, t.Shape, p.shape)
		}
		w := Weight{Name: p.to, Tensor: t, Permuted: p.permuted, rows: f.rowsOf(t)}
		if p.permuted {
			if len(t.Shape) == 1 { // a bias: its rows have one element
				if n, _ := t.Type.Block(); n != 1 {
					return nil, fmt.Errorf("tensor %s is of type %s; a bias is read as F32, F16 or BF16 only", p.from, t.Type)
				}
				w.rows.width = 1
			}
			w.rows.source = func(row int64) int64 { return permutedRow(row, m.headDim) }
		}
		known[p.from] = true
		weights = append(weights, w)
	}
	for _, t := range f.tensors {
		if !known[t.Name] {
			return nil, fmt.Errorf("tensor %.80s is none that a model of type %s has in Hugging Face's form", t.Name, m.kind)
		}
	}
	return weights, nil
}

// permutedRow is where a file of architecture llama keeps a row of q or k.
func permutedRow(row, headDim int64) int64 {
	head, at := row/headDim*headDim, row%headDim
	return head + at%(headDim/2)*2 + at/(headDim/2)
}
