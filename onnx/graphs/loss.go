package graphs

import "nightshift/onnx"

// logSumExp is the log of the softmax's denominator, [P,1].
func (b *Builder) logSumExp(logits *onnx.Value) *onnx.Value {
	axis := b.Const(onnx.Ints([]int64{1}, -1))
	return b.Op("ReduceLogSumExp", []*onnx.Value{logits, axis}, onnx.Int("keepdims", 1))
}

// targetLogProbs declares the target inputs and returns Σ_k target_probs·log p(target_ids): [P].
func (b *Builder) targetLogProbs(logits *onnx.Value) *onnx.Value {
	ids := b.Input("target_ids", onnx.Int64, onnx.Sym("P"), onnx.Sym("K"))
	probs := b.Input("target_probs", onnx.Float, onnx.Sym("P"), onnx.Sym("K"))
	picked := b.Op("GatherElements", []*onnx.Value{logits, ids}, onnx.Int("axis", 1))
	each := b.Mul(probs, b.Sub(picked, b.logSumExp(logits)))
	return b.Op("ReduceSum", []*onnx.Value{each, b.Const(onnx.Ints([]int64{1}, 1))}, onnx.Int("keepdims", 0))
}

// hidden is added to a logit that is to count for nothing.
const hidden = -1e9

// bucketLogProbs declares the target inputs and returns Σ_k target_probs·log p(target_ids) + tail_probs·log p(tail): [P]. The logits of the
// tail are summed by themselves, and with those of the head they make the softmax's denominator: where a model leaves next to
// nothing to the tail, 1 − Σ p would be rounding alone, and so would its gradient.
func (b *Builder) bucketLogProbs(logits *onnx.Value) *onnx.Value {
	ids := b.Input("target_ids", onnx.Int64, onnx.Sym("P"), onnx.Sym("K"))
	probs := b.Input("target_probs", onnx.Float, onnx.Sym("P"), onnx.Sym("K"))
	heads := b.Input("target_heads", onnx.Float, onnx.Sym("P"), onnx.Sym("K"))
	tails := b.Input("tail_probs", onnx.Float, onnx.Sym("P"))
	hide := b.Const(onnx.FloatScalar(hidden))
	tail := b.logSumExp(b.ScatterElements(logits, ids, b.Mul(heads, hide), 1, "add"))
	picked := b.GatherElements(logits, ids, 1)
	head := b.Add(picked, b.Mul(b.Sub(b.Const(onnx.FloatScalar(1)), heads), hide))
	all := b.logSumExp(b.Concat(1, head, tail))
	return b.Add(b.ReduceSum(b.Mul(probs, b.Sub(picked, all)), false, 1), b.Mul(tails, b.Squeeze(b.Sub(tail, all), 1)))
}
