package gpt2

import (
	"fmt"

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
func (t Trainable) Gradients(cfg Config, by By) ([]ParameterShape, error) {
	params, err := t.Parameters(cfg)
	if err != nil || by == Factors {
		return params, err
	}
	if t.Full {
		return nil, fmt.Errorf("list gradients: every tensor is trainable, there are no products")
	}
	list := make([]ParameterShape, len(t.Targets))
	for i, target := range t.Targets {
		in, out, _ := cfg.ModuleShape(target.Module)
		list[i] = ParameterShape{fmt.Sprintf("h.%d.%s.weight", target.Layer, target.Module), []int64{int64(in), int64(out)}}
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
func Fisher(cfg Config, weights Weights, trainable Trainable, by By) (*onnx.Graph, error) {
	wanted, err := trainable.Gradients(cfg, by)
	if err != nil {
		return nil, err
	}
	b, params, err := newSequence("fisher", cfg, weights, trainable)
	if err != nil {
		return nil, err
	}
	g := b.g
	logits := b.forward()
	noise := g.Input("noise", onnx.Float, onnx.Sym("P"), onnx.N(cfg.Vocab))
	labels := g.Op("ArgMax", []*onnx.Value{g.Add(logits, noise)}, onnx.Int("axis", 1), onnx.Int("keepdims", 1))
	picked := g.Op("GatherElements", []*onnx.Value{logits, labels}, onnx.Int("axis", 1))
	loss := g.Op("Neg", []*onnx.Value{g.Reshape(g.Op("ReduceSum", []*onnx.Value{g.Sub(picked, b.logSumExp(logits))}, onnx.Int("keepdims", 1)), 1)})
	g.Output("labels", g.Reshape(labels, -1))
	g.Output("loss", loss)
	if b.err != nil || g.Err() != nil {
		return b.finish()
	}
	if by == Products {
		params = params[:0]
		for _, w := range wanted {
			params = append(params, b.param(w.Name))
		}
	}
	grads, err := g.Gradient(loss, params)
	if err != nil {
		return nil, fmt.Errorf("differentiate graph fisher: %w", err)
	}
	for i, w := range wanted {
		g.Output("grad."+w.Name, grads[i])
	}
	return b.finish()
}
