package graphs

import (
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx"
)

// RankStep is what the ranks of a step's adapters are a multiple of.
const RankStep = 8

// DecodeOptions choose what the decode graph offers beside the base model.
type DecodeOptions struct {
	// Modules that adapters may change; empty means a graph without adapters.
	Modules []string
}

// Decode builds the serving graph. Dimensions: B sequences, S new tokens each, K rows of logits wanted, C cache
// capacity, H key-value heads of size D, 8R ranks of each sequence's adapter.
//
//	input_ids, position_ids   int64 [B,S]
//	logit_index               int64 [K]         flat positions (row·S + column) whose logits are wanted
//	seqlens_k                 int32 [B]         total length of each sequence after this step, minus one
//	total_sequence_length     int32 [1]         the largest total length in the batch
//	past.{l}.key, .value      float [B,H,C,D]   bound to the same memory as present.{l}.key, .value
//	lora_A.{l}.{module}       float [B,R,8,in]; lora_B.{l}.{module} float [B,8R,out], scale folded into B, with Modules; ranks that a
//	                                            sequence does not have are zero and change no bit
//	→ logits                  float [K,V]
//
// GroupQueryAttention's rules hold: a first prompt may be batched and right-padded, continuing with several tokens is
// for batch 1 only, and one token a row is decoding.
func (m Model) Decode(weights Weights, opt DecodeOptions) (*onnx.Graph, error) {
	if err := m.check("decode"); err != nil {
		return nil, err
	}
	batch, step := onnx.Sym("B"), onnx.Sym("S")
	s := &Step{Builder: newBuilder("decode", m.Shape, weights), modules: opt.Modules, present: make([]keysValues, m.Shape.Layers)}
	s.IDs = s.Input("input_ids", onnx.Int64, batch, step)
	s.Positions = s.Input("position_ids", onnx.Int64, batch, step)
	index := s.Input("logit_index", onnx.Int64, onnx.Sym("K"))
	s.lengths = s.Input("seqlens_k", onnx.Int32, batch)
	s.total = s.Input("total_sequence_length", onnx.Int32, onnx.N(1))
	for _, module := range opt.Modules {
		if _, _, err := m.Shape.Dims(module); err != nil {
			return nil, fmt.Errorf("build inputs for adapters: %w", err)
		}
	}
	s.Output("logits", s.logits(m.Transformer.Step(s), index))
	for l, p := range s.present {
		s.Output(PresentKey(l), p.keys)
		s.Output(PresentValue(l), p.values)
	}
	return s.finish()
}

// PastKey names a layer's key cache input, [B,H,C,D].
func PastKey(layer int) string { return fmt.Sprintf("past.%d.key", layer) }

// PastValue names a layer's value cache input, [B,H,C,D].
func PastValue(layer int) string { return fmt.Sprintf("past.%d.value", layer) }

// PresentKey names a layer's key cache output, bound to the memory of PastKey.
func PresentKey(layer int) string { return fmt.Sprintf("present.%d.key", layer) }

// PresentValue names a layer's value cache output, bound to the memory of PastValue.
func PresentValue(layer int) string { return fmt.Sprintf("present.%d.value", layer) }

// LoraA names the first factor of an adapted linear: [in,r] when training, [B,R,8,in] when serving.
func LoraA(t arch.Target) string { return fmt.Sprintf("lora_A.%d.%s", t.Layer, t.Module) }

// LoraB names the second factor of an adapted linear: [r,out] when training, [B,8R,out] when serving.
func LoraB(t arch.Target) string { return fmt.Sprintf("lora_B.%d.%s", t.Layer, t.Module) }
