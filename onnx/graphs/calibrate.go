package graphs

import (
	"nightshift/models/arch"
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
func (m Model) Calibrate(weights Weights) (*onnx.Graph, error) {
	if err := m.check("calibrate"); err != nil {
		return nil, err
	}
	s := &Sequence{Builder: newBuilder("calibrate", m.Shape, weights)}
	segments := s.tokens()
	sample := s.Input("sample_index", onnx.Int64, onnx.Sym("P"))
	s.after = func(t arch.Target, x, y *onnx.Value) *onnx.Value {
		if l, _ := m.Shape.Holder(t); l.Target != t { // a module that is packed into one which was looked at
			return y
		}
		in, out := x.Shape[len(x.Shape)-1].Size, y.Shape[len(y.Shape)-1].Size
		s.observe(t, s.Reshape(x, -1, in), s.Reshape(y, -1, out), sample)
		return y
	}
	s.mask(segments)
	x := m.Transformer.Sequence(s)
	head := m.Shape.Head()
	s.observe(head.Target, s.Norm(head.Norm, s.Reshape(x, -1, int64(head.In))), s.logits(x, sample), sample)
	return s.finish()
}

// observe makes outputs of what quantisation wants to know of a linear with inputs x [T,in] and outputs y [·,out].
func (s *Sequence) observe(t arch.Target, x, y, sample *onnx.Value) {
	linear := t.String()
	s.Output("max."+linear, s.ReduceMax(s.Op("Abs", []*onnx.Value{x}), false, 0))
	s.Output("mean."+linear, s.ReduceMean(x, false, 0))
	s.Output("square."+linear, s.ReduceMean(s.Mul(x, x), false, 0))
	s.Output("rows."+linear, s.Gather(x, sample, 0))
	s.Output("out_mean."+linear, s.ReduceMean(y, false, 0))
	s.Output("out_square."+linear, s.ReduceMean(s.Mul(y, y), false, 0))
}
