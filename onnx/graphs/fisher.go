package graphs

import (
	"fmt"
	"slices"

	"nightshift/models/arch"
	"nightshift/onnx"
)

// By says what a gradient is taken by.
type By int

// Factors are the trainable parameters. Products are the weights W of the adapted linears: an adapter adds ΔW = Scale·A·B to
// W, so the gradient by ΔW is the gradient by W, whatever the factors are.
const (
	Factors By = iota
	Products
)

// Gradients lists what the gradients by factors or products are taken by, in a fixed order.
func (t Trainable) Gradients(shape arch.Shape, by By) ([]arch.Tensor, error) {
	params, err := t.Parameters(shape)
	if err != nil || by == Factors {
		return params, err
	}
	if t.Full {
		return nil, fmt.Errorf("list gradients: every tensor is trainable, there are no products")
	}
	list := make([]arch.Tensor, len(t.Targets))
	for i, target := range t.Targets {
		in, out, _ := shape.Dims(target.Module)
		list[i] = arch.Tensor{Name: target.String() + ".weight", Dims: []int64{int64(in), int64(out)}}
	}
	return list, nil
}

// Fisher builds the graph that draws labels from the model's own distribution and differentiates their log-probability.
// Its inputs are those of Train without targets and weights, and
//
//	noise   float [P,V]  independent standard Gumbel numbers: −log(−log u), u uniform in (0,1)
//	→ labels       int64 [P]  argmax(logits + noise), which has the distribution softmax(logits) (Gumbel 1954)
//	→ loss         float [1]  −Σ_p log p(labels_p), in nats
//	→ grad.{name}             ∂loss/∂name, for what Trainable.Gradients lists; weights stay where they lie
func (m Model) Fisher(weights Weights, trainable Trainable, by By) (*onnx.Graph, error) {
	wanted, err := trainable.Gradients(m.Shape, by)
	if err != nil {
		return nil, err
	}
	s, params, err := m.sequence("fisher", weights, trainable)
	if err != nil {
		return nil, err
	}
	logits := s.forward(m.Transformer)
	noise := s.Input("noise", onnx.Float, onnx.Sym("P"), onnx.N(m.Shape.Vocab))
	labels := s.Op("ArgMax", []*onnx.Value{s.Add(logits, noise)}, onnx.Int("axis", 1), onnx.Int("keepdims", 1))
	picked := s.Op("GatherElements", []*onnx.Value{logits, labels}, onnx.Int("axis", 1))
	loss := s.Op("Neg", []*onnx.Value{s.Reshape(s.Op("ReduceSum", []*onnx.Value{s.Sub(picked, s.logSumExp(logits))}, onnx.Int("keepdims", 1)), 1)})
	s.Output("labels", s.Reshape(labels, -1))
	s.Output("loss", loss)
	if s.err != nil || s.Err() != nil {
		return s.finish()
	}
	if by == Products {
		params = s.holders(trainable.Targets)
	}
	grads, err := s.Gradient(loss, params)
	if err != nil {
		return nil, fmt.Errorf("differentiate graph fisher: %w", err)
	}
	if by == Products {
		grads = s.columns(trainable.Targets, params, grads)
	}
	for i, w := range wanted {
		s.Output("grad."+w.Name, grads[i])
	}
	return s.finish()
}

// holders are the weights that hold those of targets, each once.
func (s *Sequence) holders(targets []arch.Target) (weights []*onnx.Value) {
	for _, t := range targets {
		l, _ := s.Shape.Holder(t)
		if w := s.Param(l.Weight); !slices.Contains(weights, w) {
			weights = append(weights, w)
		}
	}
	return weights
}

// columns takes each target's gradient out of that of the weight that holds it.
func (s *Sequence) columns(targets []arch.Target, weights, grads []*onnx.Value) (list []*onnx.Value) {
	for _, t := range targets {
		l, column := s.Shape.Holder(t)
		g := grads[slices.Index(weights, s.Param(l.Weight))]
		if _, out, err := s.Shape.Dims(t.Module); err != nil {
			s.fail(err)
		} else if out != l.Out {
			g = s.Slice(g, 1, int64(column), int64(column+out))
		}
		list = append(list, g)
	}
	return list
}
