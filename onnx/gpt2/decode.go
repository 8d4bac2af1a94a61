package gpt2

import (
	"fmt"

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
// capacity, H heads of size D, 8R ranks of each sequence's adapter.
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
func Decode(cfg Config, weights Weights, opt DecodeOptions) (*onnx.Graph, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	g := onnx.NewGraph("decode")
	batch, step := onnx.Sym("B"), onnx.Sym("S")
	d := &decoder{builder: &builder{g: g, cfg: cfg, weights: weights}, modules: opt.Modules}
	d.ids = g.Input("input_ids", onnx.Int64, batch, step)
	positions := g.Input("position_ids", onnx.Int64, batch, step)
	index := g.Input("logit_index", onnx.Int64, onnx.Sym("K"))
	lengths := g.Input("seqlens_k", onnx.Int32, batch)
	total := g.Input("total_sequence_length", onnx.Int32, onnx.N(1))
	for _, m := range opt.Modules {
		if _, _, err := cfg.ModuleShape(m); err != nil {
			return nil, fmt.Errorf("build inputs for adapters: %w", err)
		}
	}
	cache := []onnx.Dim{batch, onnx.N(cfg.Heads), onnx.Sym("C"), onnx.N(cfg.HeadSize())}
	type pair struct{ key, value *onnx.Value }
	present := make([]pair, cfg.Layers)
	attend := func(layer int, qkv *onnx.Value) *onnx.Value {
		key := g.Input(PastKey(layer), onnx.Float, cache...)
		value := g.Input(PastValue(layer), onnx.Float, cache...)
		out := g.OpN("GroupQueryAttention", 3, []*onnx.Value{qkv, nil, nil, key, value, lengths, total},
			onnx.Int("num_heads", int64(cfg.Heads)), onnx.Int("kv_num_heads", int64(cfg.Heads)),
			onnx.Float32("scale", cfg.attentionScale(layer)))
		present[layer] = pair{out[1], out[2]}
		return out[0]
	}
	g.Output("logits", d.logits(d.blocks(d.embed(positions), attend), index))
	for l, p := range present {
		g.Output(PresentKey(l), p.key)
		g.Output(PresentValue(l), p.value)
	}
	return d.finish()
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
func LoraA(layer int, module string) string { return fmt.Sprintf("lora_A.%d.%s", layer, module) }

// LoraB names the second factor of an adapted linear: [r,out] when training, [B,8R,out] when serving.
func LoraB(layer int, module string) string { return fmt.Sprintf("lora_B.%d.%s", layer, module) }
