package gpt2

import (
	"fmt"

	"nightshift/onnx"
)

// Calibrate builds the graph that looks at the inputs of every linear while a model reads text, for quantisation.
// Dimensions: B rows of S tokens without padding, P of these positions whose inputs are wanted as they are.
//
//	input_ids, position_ids, segment_ids  int64 [B,S]   as in Train
//	sample_index                          int64 [P]     flat positions (row·S + column)
//	→ max.{linear}, mean.{linear}, square.{linear}   float [in]    largest |x|, mean of x and of x² of each input channel
//	→ rows.{linear}                                  float [P,in]  inputs at sample_index
//	→ out_mean.{linear}, out_square.{linear}         float [out]   mean of y and of y² of each output, bias included
//
// A linear is h.{layer}.{module}, or lm_head, whose outputs are looked at in the samples alone.
func Calibrate(cfg Config, weights Weights) (*onnx.Graph, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	g := onnx.NewGraph("calibrate")
	b := &builder{g: g, cfg: cfg, weights: weights}
	rows, columns := onnx.Sym("B"), onnx.Sym("S")
	ids := g.Input("input_ids", onnx.Int64, rows, columns)
	positions := g.Input("position_ids", onnx.Int64, rows, columns)
	segments := g.Input("segment_ids", onnx.Int64, rows, columns)
	sample := g.Input("sample_index", onnx.Int64, onnx.Sym("P"))
	b.adapt = func(layer int, module string, x, y *onnx.Value) *onnx.Value {
		in, out, err := cfg.ModuleShape(module)
		if err != nil && b.err == nil {
			b.err = err
		}
		b.observe(fmt.Sprintf("h.%d.%s", layer, module), g.Reshape(x, -1, int64(in)), g.Reshape(y, -1, int64(out)), sample)
		return y
	}
	mask := b.mask(positions, segments)
	x := b.embed(ids, positions)
	for l := range cfg.Layers {
		x = b.block(l, x, func(layer int, qkv *onnx.Value) *onnx.Value { return b.attention(layer, qkv, mask) })
	}
	b.observe("lm_head", b.norm("ln_f", g.Reshape(x, -1, int64(cfg.Width))), b.logits(x, sample), sample)
	return b.finish()
}

// observe makes outputs of what quantisation wants to know of a linear with inputs x [T,in] and outputs y [·,out].
func (b *builder) observe(linear string, x, y, sample *onnx.Value) {
	g := b.g
	g.Output("max."+linear, g.ReduceMax(g.Op("Abs", []*onnx.Value{x}), false, 0))
	g.Output("mean."+linear, g.ReduceMean(x, false, 0))
	g.Output("square."+linear, g.ReduceMean(g.Mul(x, x), false, 0))
	g.Output("rows."+linear, g.Gather(x, sample, 0))
	g.Output("out_mean."+linear, g.ReduceMean(y, false, 0))
	g.Output("out_square."+linear, g.ReduceMean(g.Mul(y, y), false, 0))
}
