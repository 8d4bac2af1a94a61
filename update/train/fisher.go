package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"nightshift/models/arch"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// Fisher estimates the diagonal of the Fisher information of a model with given parameters, on given sequences:
//
//	F_i = (1/T) Σ_sequences E_y[(∂/∂θ_i Σ_t log p(y_t | x_<t))²]
//
// where the y_t are drawn from the model's own distribution, each at its position of the real text, and T counts all
// positions with loss. It is the curvature of the mean loss per token where the model fits its data. The gradients of the
// positions have mean zero and are independent, so the square of their sum has the same expectation as the sum of their
// squares; with the real labels it has not, and what comes out is no Fisher (Kunstner et al. 2019, arXiv:1905.12558).
//
// Labels are drawn inside the graph from the whole vocabulary, by the Gumbel-max trick (Gumbel 1954), so that one run gives
// labels and gradient. Estimate after training: while B is zero the gradients of A are, and the Fisher of A with them. That of the products
// is not: the gradient by ΔW is that by the weight.
//
// Memory beside the graph's own: gradients and sums, 8 bytes for each value (6 MB for rank 8 on the MLP of GPT-2 124M; 453 MB
// for its products), and the noise, 4 bytes for each position of a sequence and token of the vocabulary.
type Fisher struct {
	session       *ort.Session
	binding       *ort.Binding
	params, grads []float32
	loss          []float32
	vocab         int
	columns       int
}

// NewFisher builds the graph. By says what the gradients are taken by: the factors, in the order of the parameters, or the
// products. Columns bounds a sequence's tokens; longer ones lose their oldest.
func NewFisher(base Base, trainable graphs.Trainable, by graphs.By, columns, threads int) (*Fisher, error) {
	shapes, err := trainable.Parameters(base.Config)
	if err != nil {
		return nil, err
	}
	grads, err := trainable.Gradients(base.Config, by)
	if err != nil {
		return nil, err
	}
	graph, err := families.Of(base.Config).Fisher(base.Weights, trainable, by)
	if err != nil {
		return nil, err
	}
	f := &Fisher{loss: make([]float32, 1), vocab: base.Config.Vocab, columns: columns}
	if f.session, err = open(graph, base.Dir, threads); err != nil {
		return nil, err
	}
	if f.binding, err = f.session.NewBinding(); err != nil {
		f.session.Close()
		return nil, err
	}
	f.params, f.grads = ort.AlignedFloats(Size(shapes)), ort.AlignedFloats(Size(grads))
	if err := f.bind(shapes, grads); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// bind binds what every run shares.
func (f *Fisher) bind(shapes, grads []arch.Tensor) error {
	at := 0
	for _, p := range shapes {
		if err := bindInput(f.binding, p.Name, f.params[at:at+p.Elements()], dims(p)...); err != nil {
			return err
		}
		at += p.Elements()
	}
	at = 0
	for _, p := range grads {
		if err := bindOutput(f.binding, "grad."+p.Name, f.grads[at:at+p.Elements()], dims(p)...); err != nil {
			return err
		}
		at += p.Elements()
	}
	return bindOutput(f.binding, "loss", f.loss, 1)
}

// dims are a parameter's dimensions.
func dims(p arch.Tensor) []int {
	d := make([]int, len(p.Dims))
	for i, n := range p.Dims {
		d[i] = int(n)
	}
	return d
}

// Close frees the session.
func (f *Fisher) Close() {
	f.binding.Close()
	f.session.Close()
}

// Estimate is the mean over the given number of draws for each sequence. Weights and teachers of the sequences do not count.
// The same arguments give the same bits. It stops with ctx.
func (f *Fisher) Estimate(ctx context.Context, params []float32, list []Sequence, draws int, seed uint64) ([]float32, error) {
	if len(params) != len(f.params) {
		return nil, fmt.Errorf("estimate Fisher: %d parameters were given, the graph has %d", len(params), len(f.params))
	}
	if draws < 1 {
		return nil, fmt.Errorf("estimate Fisher: %d draws were asked for, want at least 1", draws)
	}
	copy(f.params, params)
	random := rand.New(rand.NewPCG(seed, 0x666973686572)) //nolint:gosec // reproducible, not secret
	sum := make([]float32, len(f.grads))
	tokens := 0
	for i, s := range list {
		b := Pack([]Sequence{{Tokens: s.Tokens, Prompt: s.Prompt}}, 1, f.columns)[0]
		if b.Positions == 0 {
			continue
		}
		tokens += b.Positions
		for range draws {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if _, err := f.draw(b, random); err != nil {
				return nil, fmt.Errorf("estimate Fisher on sequence %d: %w", i+1, err)
			}
			for j, g := range f.grads {
				sum[j] += g * g
			}
		}
	}
	if tokens == 0 {
		return nil, fmt.Errorf("estimate Fisher: no sequence carries loss")
	}
	scale := 1 / float32(draws*tokens)
	for i, v := range sum {
		sum[i] = v * scale
		if !finite(float64(sum[i])) {
			return nil, fmt.Errorf("estimate Fisher: it is %g at index %d", sum[i], i)
		}
	}
	return sum, nil
}

// draw samples labels for a batch, leaves the gradient of their summed −log p in f.grads and returns the labels.
func (f *Fisher) draw(b Batch, random *rand.Rand) ([]int64, error) {
	noise := make([]float32, b.Positions*f.vocab)
	for i := range noise {
		noise[i] = float32(-math.Log(random.ExpFloat64()))
	}
	labels := make([]int64, b.Positions)
	for _, in := range []struct {
		name string
		data []int64
		dims []int
	}{
		{"input_ids", b.InputIDs, []int{b.Rows, b.Columns}}, {"position_ids", b.PositionIDs, []int{b.Rows, b.Columns}},
		{"segment_ids", b.SegmentIDs, []int{b.Rows, b.Columns}}, {"loss_index", b.LossIndex, []int{b.Positions}},
	} {
		if err := bindInput(f.binding, in.name, in.data, in.dims...); err != nil {
			return nil, err
		}
	}
	if err := bindInput(f.binding, "noise", noise, b.Positions, f.vocab); err != nil {
		return nil, err
	}
	if err := bindOutput(f.binding, "labels", labels, b.Positions); err != nil {
		return nil, err
	}
	if err := f.binding.Run(); err != nil {
		return nil, fmt.Errorf("compute gradients of %d sampled labels: %w", b.Positions, err)
	}
	return labels, nil
}
