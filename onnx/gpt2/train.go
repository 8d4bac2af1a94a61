package gpt2

import (
	"fmt"

	"nightshift/onnx"
)

// Target is one adapted linear.
type Target struct {
	Layer  int
	Module string
}

// Trainable says what the training graph differentiates: LoRA factors of some linears, or every tensor.
type Trainable struct {
	// Targets are the adapted linears, with rank Rank; their product is multiplied by Scale (α/r).
	Targets []Target
	Rank    int
	Scale   float64
	// Full makes every checkpoint tensor a trainable input; Targets must then be empty.
	Full bool
}

// Parameters lists the trainable inputs in a fixed order: the flat parameter vector is their concatenation.
func (t Trainable) Parameters(cfg Config) ([]ParameterShape, error) {
	if t.Full {
		if len(t.Targets) > 0 {
			return nil, fmt.Errorf("list trainable parameters: every tensor and %d adapted linears were asked for, choose one", len(t.Targets))
		}
		return cfg.Parameters(), nil
	}
	var list []ParameterShape
	for _, target := range t.Targets {
		in, out, err := cfg.ModuleShape(target.Module)
		if err != nil {
			return nil, err
		}
		if target.Layer < 0 || target.Layer >= cfg.Layers {
			return nil, fmt.Errorf("list trainable parameters: layer %d is outside the model's %d layers", target.Layer, cfg.Layers)
		}
		list = append(list,
			ParameterShape{LoraA(target.Layer, target.Module), []int64{int64(in), int64(t.Rank)}},
			ParameterShape{LoraB(target.Layer, target.Module), []int64{int64(t.Rank), int64(out)}})
	}
	return list, nil
}

// Train builds the training graph. Dimensions: B rows of S tokens, P positions that carry loss, K targets each.
//
//	input_ids, position_ids, segment_ids  int64 [B,S]   segment 0 is padding; attention stays within one segment
//	loss_index                            int64 [P]     flat positions (row·S + column)
//	target_ids, target_probs              int64, float [P,K]
//	target_heads                          float [P,K]   1 where a target is of the position's head, 0 elsewhere
//	tail_probs                            float [P]     of all tokens together that are not of the head
//	weights                               float [P]
//	every trainable parameter             float, as Trainable.Parameters lists it
//	→ loss      float [1]   −Σ_p weights_p · logprobs_p
//	→ logprobs  float [P]   Σ_k target_probs_pk · log p(target_ids_pk) + tail_probs_p · log(1 − Σ_{k of the head} p(target_ids_pk)), in nats
//	→ grad.{parameter}      ∂loss/∂parameter, in the parameter's shape
//
// With K=1, probability 1 and no head the loss is cross-entropy; K>1 is distillation from a sparse teacher, whose likeliest tokens are the
// head and whose others are one more bucket, the tail. A head holds no token twice, and not the whole vocabulary where the tail has any
// probability; a token may be a target of the head and another beside it.
func Train(cfg Config, weights Weights, trainable Trainable) (*onnx.Graph, error) {
	b, params, err := newSequence("train", cfg, weights, trainable)
	if err != nil {
		return nil, err
	}
	g := b.g
	logits := b.forward()
	logprobs := b.bucketLogProbs(logits)
	weight := g.Input("weights", onnx.Float, onnx.Sym("P"))
	axis := g.Const(onnx.Ints([]int64{1}, 0))
	loss := g.Op("Neg", []*onnx.Value{g.Op("ReduceSum", []*onnx.Value{g.Mul(weight, logprobs), axis}, onnx.Int("keepdims", 1))})
	g.Output("loss", loss)
	g.Output("logprobs", logprobs)
	if b.err != nil || g.Err() != nil {
		return b.finish()
	}
	grads, err := g.Gradient(loss, params)
	if err != nil {
		return nil, fmt.Errorf("differentiate graph train: %w", err)
	}
	for i, p := range params {
		g.Output("grad."+p.Name, grads[i])
	}
	return b.finish()
}

// Score builds the graph that only reads: the inputs of Train without heads, tails and weights, and
//
//	→ logprobs      float [P]    Σ_k target_probs_pk · log p(target_ids_pk), in nats
//	→ top_ids       int64 [P,T]  the T most probable tokens
//	→ top_logprobs  float [P,T]  their log-probabilities, largest first
func Score(cfg Config, weights Weights, trainable Trainable, top int) (*onnx.Graph, error) {
	b, _, err := newSequence("score", cfg, weights, trainable)
	if err != nil {
		return nil, err
	}
	if top < 1 || top > cfg.Vocab {
		return nil, fmt.Errorf("build graph score: top %d is outside 1…%d", top, cfg.Vocab)
	}
	g := b.g
	logits := b.forward()
	g.Output("logprobs", b.targetLogProbs(logits))
	best := g.OpN("TopK", 2, []*onnx.Value{logits, g.Const(onnx.Ints([]int64{1}, int64(top)))}, onnx.Int("axis", -1))
	g.Output("top_logprobs", g.Sub(best[0], b.logSumExp(logits)))
	g.Output("top_ids", best[1])
	return b.finish()
}

// newSequence starts a whole-sequence graph and declares its trainable inputs.
func newSequence(name string, cfg Config, weights Weights, trainable Trainable) (*builder, []*onnx.Value, error) {
	if err := cfg.Check(); err != nil {
		return nil, nil, err
	}
	shapes, err := trainable.Parameters(cfg)
	if err != nil {
		return nil, nil, err
	}
	g := onnx.NewGraph(name)
	b := &builder{g: g, cfg: cfg, weights: weights, trainable: map[string]*onnx.Value{}}
	params := make([]*onnx.Value, len(shapes))
	for i, s := range shapes {
		dims := make([]onnx.Dim, len(s.Dims))
		for j, d := range s.Dims {
			dims[j] = onnx.N(int(d))
		}
		params[i] = g.Input(s.Name, onnx.Float, dims...)
		b.trainable[s.Name] = params[i]
	}
	scale := g.Const(onnx.FloatScalar(float32(trainable.Scale)))
	b.adapt = func(layer int, module string, x, y *onnx.Value) *onnx.Value {
		a, ok := b.trainable[LoraA(layer, module)]
		if !ok {
			return y
		}
		return g.Add(y, g.Mul(g.MatMul(g.MatMul(x, a), b.trainable[LoraB(layer, module)]), scale))
	}
	return b, params, nil
}

// forward declares the sequence inputs and returns the logits at loss_index: [P,V].
func (b *builder) forward() *onnx.Value {
	g := b.g
	rows, columns := onnx.Sym("B"), onnx.Sym("S")
	ids := g.Input("input_ids", onnx.Int64, rows, columns)
	positions := g.Input("position_ids", onnx.Int64, rows, columns)
	segments := g.Input("segment_ids", onnx.Int64, rows, columns)
	index := g.Input("loss_index", onnx.Int64, onnx.Sym("P"))
	mask := b.mask(positions, segments)
	x := b.embed(ids, positions)
	for l := range b.cfg.Layers {
		x = b.block(l, x, func(layer int, qkv *onnx.Value) *onnx.Value { return b.attention(layer, qkv, mask) })
	}
	return b.logits(x, index)
}

// mask is the additive attention mask [B,1,S,S]: a token sees the tokens of its own segment up to its own position.
func (b *builder) mask(positions, segments *onnx.Value) *onnx.Value {
	g := b.g
	query, key := g.Const(onnx.Ints([]int64{2}, 1, 3)), g.Const(onnx.Ints([]int64{2}, 1, 2))
	at := func(v, axes *onnx.Value) *onnx.Value { return g.Op("Unsqueeze", []*onnx.Value{v, axes}) }
	same := g.Op("Equal", []*onnx.Value{at(segments, query), at(segments, key)})
	past := g.Op("LessOrEqual", []*onnx.Value{at(positions, key), at(positions, query)})
	seen := g.Op("And", []*onnx.Value{same, past})
	return g.Op("Where", []*onnx.Value{seen, g.Const(onnx.FloatScalar(0)), g.Const(onnx.FloatScalar(-1e9))})
}

// attention is plain multi-head attention over whole sequences: packed q|k|v [B,S,3W] to [B,S,W].
func (b *builder) attention(layer int, qkv, mask *onnx.Value) *onnx.Value {
	g := b.g
	heads, size, width := int64(b.cfg.Heads), int64(b.cfg.HeadSize()), int64(b.cfg.Width)
	parts := g.OpN("Split", 3, []*onnx.Value{qkv, g.Const(onnx.Ints([]int64{3}, width, width, width))}, onnx.Int("axis", -1))
	split := func(v *onnx.Value, perm ...int64) *onnx.Value {
		return g.Transpose(g.Reshape(v, 0, 0, heads, size), perm...)
	}
	q := g.Mul(split(parts[0], 0, 2, 1, 3), g.Const(onnx.FloatScalar(b.cfg.attentionScale(layer))))
	k := split(parts[1], 0, 2, 3, 1)
	v := split(parts[2], 0, 2, 1, 3)
	shares := g.Op("Softmax", []*onnx.Value{g.Add(g.MatMul(q, k), mask)}, onnx.Int("axis", -1))
	return g.Reshape(g.Transpose(g.MatMul(shares, v), 0, 2, 1, 3), 0, 0, width)
}

// logSumExp is the log of the softmax's denominator, [P,1].
func (b *builder) logSumExp(logits *onnx.Value) *onnx.Value {
	axis := b.g.Const(onnx.Ints([]int64{1}, -1))
	return b.g.Op("ReduceLogSumExp", []*onnx.Value{logits, axis}, onnx.Int("keepdims", 1))
}

// targetLogProbs declares the target inputs and returns Σ_k target_probs·log p(target_ids): [P].
func (b *builder) targetLogProbs(logits *onnx.Value) *onnx.Value {
	g := b.g
	ids := g.Input("target_ids", onnx.Int64, onnx.Sym("P"), onnx.Sym("K"))
	probs := g.Input("target_probs", onnx.Float, onnx.Sym("P"), onnx.Sym("K"))
	picked := g.Op("GatherElements", []*onnx.Value{logits, ids}, onnx.Int("axis", 1))
	each := g.Mul(probs, g.Sub(picked, b.logSumExp(logits)))
	return g.Op("ReduceSum", []*onnx.Value{each, g.Const(onnx.Ints([]int64{1}, 1))}, onnx.Int("keepdims", 0))
}

// hidden is added to a logit that is to count for nothing.
const hidden = -1e9

// bucketLogProbs declares the target inputs and returns Σ_k target_probs·log p(target_ids) + tail_probs·log p(tail): [P]. The logits of the
// tail are summed by themselves, and with those of the head they make the softmax's denominator: where a model leaves next to
// nothing to the tail, 1 − Σ p would be rounding alone, and so would its gradient.
func (b *builder) bucketLogProbs(logits *onnx.Value) *onnx.Value {
	g := b.g
	ids := g.Input("target_ids", onnx.Int64, onnx.Sym("P"), onnx.Sym("K"))
	probs := g.Input("target_probs", onnx.Float, onnx.Sym("P"), onnx.Sym("K"))
	heads := g.Input("target_heads", onnx.Float, onnx.Sym("P"), onnx.Sym("K"))
	tails := g.Input("tail_probs", onnx.Float, onnx.Sym("P"))
	hide := g.Const(onnx.FloatScalar(hidden))
	tail := b.logSumExp(g.ScatterElements(logits, ids, g.Mul(heads, hide), 1, "add"))
	picked := g.GatherElements(logits, ids, 1)
	head := g.Add(picked, g.Mul(g.Sub(g.Const(onnx.FloatScalar(1)), heads), hide))
	all := b.logSumExp(g.Concat(1, head, tail))
	return g.Add(g.ReduceSum(g.Mul(probs, g.Sub(picked, all)), false, 1), g.Mul(tails, g.Squeeze(g.Sub(tail, all), 1)))
}
