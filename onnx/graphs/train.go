package graphs

import (
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx"
)

// Trainable says what the training graph differentiates: LoRA factors of some linears, or every tensor.
type Trainable struct {
	// Targets are the adapted linears, with rank Rank; their product is multiplied by Scale (α/r).
	Targets []arch.Target
	Rank    int
	Scale   float64
	// Full makes every checkpoint tensor a trainable input; Targets must then be empty.
	Full bool
}

// Parameters lists the trainable inputs in a fixed order: the flat parameter vector is their concatenation.
func (t Trainable) Parameters(shape arch.Shape) ([]arch.Tensor, error) {
	if t.Full {
		if len(t.Targets) > 0 {
			return nil, fmt.Errorf("list trainable parameters: every tensor and %d adapted linears were asked for, choose one", len(t.Targets))
		}
		return shape.Tensors(), nil
	}
	var list []arch.Tensor
	for _, target := range t.Targets {
		in, out, err := shape.Dims(target.Module)
		if err != nil {
			return nil, err
		}
		if target.Layer < 0 || target.Layer >= shape.Layers {
			return nil, fmt.Errorf("list trainable parameters: layer %d is outside the model's %d layers", target.Layer, shape.Layers)
		}
		list = append(list,
			arch.Tensor{Name: LoraA(target), Dims: []int64{int64(in), int64(t.Rank)}},
			arch.Tensor{Name: LoraB(target), Dims: []int64{int64(t.Rank), int64(out)}})
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
func (m Model) Train(weights Weights, trainable Trainable) (*onnx.Graph, error) {
	s, params, err := m.sequence("train", weights, trainable)
	if err != nil {
		return nil, err
	}
	logits := s.forward(m.Transformer)
	logprobs := s.bucketLogProbs(logits)
	weight := s.Input("weights", onnx.Float, onnx.Sym("P"))
	axis := s.Const(onnx.Ints([]int64{1}, 0))
	loss := s.Op("Neg", []*onnx.Value{s.Op("ReduceSum", []*onnx.Value{s.Mul(weight, logprobs), axis}, onnx.Int("keepdims", 1))})
	s.Output("loss", loss)
	s.Output("logprobs", logprobs)
	if s.err != nil || s.Err() != nil {
		return s.finish()
	}
	grads, err := s.Gradient(loss, params)
	if err != nil {
		return nil, fmt.Errorf("differentiate graph train: %w", err)
	}
	for i, p := range params {
		s.Output("grad."+p.Name, grads[i])
	}
	return s.finish()
}

// Score builds the graph that only reads: the inputs of Train without heads, tails and weights, and
//
//	→ logprobs      float [P]    Σ_k target_probs_pk · log p(target_ids_pk), in nats
//	→ top_ids       int64 [P,T]  the T most probable tokens
//	→ top_logprobs  float [P,T]  their log-probabilities, largest first
func (m Model) Score(weights Weights, trainable Trainable, top int) (*onnx.Graph, error) {
	s, _, err := m.sequence("score", weights, trainable)
	if err != nil {
		return nil, err
	}
	if top < 1 || top > m.Shape.Vocab {
		return nil, fmt.Errorf("build graph score: top %d is outside 1…%d", top, m.Shape.Vocab)
	}
	logits := s.forward(m.Transformer)
	s.Output("logprobs", s.targetLogProbs(logits))
	best := s.OpN("TopK", 2, []*onnx.Value{logits, s.Const(onnx.Ints([]int64{1}, int64(top)))}, onnx.Int("axis", -1))
	s.Output("top_logprobs", s.Sub(best[0], s.logSumExp(logits)))
	s.Output("top_ids", best[1])
	return s.finish()
}
