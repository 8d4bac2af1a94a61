package train

import (
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// Base is the frozen model that training starts from.
type Base struct {
	Config  arch.Shape
	Weights graphs.Weights
	// Dir is the folder that the weights' external data lie in.
	Dir string
}

// Session holds the training graph, and the flat vectors of its trainable parameters and their gradients. It is for
// one goroutine.
type Session struct {
	shapes        []arch.Tensor
	session       *ort.Session
	binding       *ort.Binding
	params, grads []float32
	loss          []float32
	vocab         int
}

// NewSession builds the training graph. Threads is the number of threads inside one operator, 0 for all.
func NewSession(base Base, trainable graphs.Trainable, threads int) (*Session, error) {
	shapes, err := trainable.Parameters(base.Config)
	if err != nil {
		return nil, err
	}
	graph, err := families.Of(base.Config).Train(base.Weights, trainable)
	if err != nil {
		return nil, err
	}
	s := &Session{shapes: shapes, loss: make([]float32, 1), vocab: base.Config.Vocab}
	if s.session, err = open(graph, base.Dir, threads); err != nil {
		return nil, err
	}
	if s.binding, err = s.session.NewBinding(); err != nil {
		return nil, err
	}
	n := Size(shapes)
	s.params, s.grads = ort.AlignedFloats(n), ort.AlignedFloats(n)
	return s, s.bindParameters()
}

// open encodes a graph and loads it. Batches differ in how many positions have loss: a plan of memory for each would be kept for each.
func open(graph *onnx.Graph, dir string, threads int) (*ort.Session, error) {
	encoded, err := graph.Encode()
	if err != nil {
		return nil, err
	}
	session, err := ort.NewSession(encoded, ort.SessionConfig{Threads: threads, ExternalDir: dir, DisableMemoryPattern: true})
	if err != nil {
		return nil, fmt.Errorf("open %s session: %w", graph.Name, err)
	}
	return session, nil
}

// bindParameters binds parameters, gradients and the loss once: every run reads and writes the same vectors.
func (s *Session) bindParameters() error {
	loss, err := ort.NewTensor([]int64{1}, s.loss)
	if err != nil {
		return err
	}
	if err := s.binding.Output("loss", loss); err != nil {
		return err
	}
	at := 0
	for _, p := range s.shapes {
		n := p.Elements()
		param, err := ort.NewTensor(p.Dims, s.params[at:at+n])
		if err != nil {
			return err
		}
		grad, err := ort.NewTensor(p.Dims, s.grads[at:at+n])
		if err != nil {
			return err
		}
		if err := s.binding.Input(p.Name, param); err != nil {
			return err
		}
		if err := s.binding.Output("grad."+p.Name, grad); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// Parameters is the flat parameter vector, in the order of Shapes; writing to it changes what the next run uses.
func (s *Session) Parameters() []float32 { return s.params }

// Shapes lists the trainable parameters in the order of the flat vector.
func (s *Session) Shapes() []arch.Tensor { return s.shapes }

// Gradient runs one batch with its weights multiplied by scale. It returns the loss in nats and the gradient, which
// the next call overwrites, and writes the expected log-probability of every position's targets to logprobs when that is not nil.
func (s *Session) Gradient(b Batch, scale float32, logprobs []float32) (loss float64, grads []float32, err error) {
	weights := make([]float32, len(b.Weights))
	for i, w := range b.Weights {
		weights[i] = w * scale
	}
	if logprobs == nil {
		logprobs = make([]float32, b.Positions)
	}
	if err := bindBatch(s.binding, b); err != nil {
		return 0, nil, err
	}
	if err := bindInput(s.binding, "target_heads", b.TargetHeads, b.Positions, b.Targets); err != nil {
		return 0, nil, err
	}
	if err := bindInput(s.binding, "tail_probs", b.TailProbs, b.Positions); err != nil {
		return 0, nil, err
	}
	if err := bindInput(s.binding, "weights", weights, b.Positions); err != nil {
		return 0, nil, err
	}
	if err := bindOutput(s.binding, "logprobs", logprobs, b.Positions); err != nil {
		return 0, nil, err
	}
	if err := s.binding.Run(); err != nil {
		return 0, nil, fmt.Errorf("compute gradients of %d positions: %w", b.Positions, err)
	}
	return float64(s.loss[0]), s.grads, nil
}

// LogProbs returns, for every sequence, the log-probabilities of the tokens that carry loss under the present parameters, in nats
// and in order, computed in microbatches of rows×columns tokens. Weights and teachers make no difference. It computes gradients that
// nobody reads, some three times the work of a Scorer, and needs no second graph in memory.
func (s *Session) LogProbs(list []Sequence, rows, columns int) ([][]float32, error) {
	return logProbs(list, rows, columns, func(b Batch) ([]float32, error) {
		logprobs := make([]float32, b.Positions)
		_, _, err := s.Gradient(b, 0, logprobs)
		return logprobs, err
	})
}

// logProbs scores sequences, without their weights and teachers, by what gives the log-probabilities of a batch's targets.
func logProbs(list []Sequence, rows, columns int, run func(Batch) ([]float32, error)) ([][]float32, error) {
	plain, result := make([]Sequence, len(list)), make([][]float32, len(list))
	for i, q := range list {
		plain[i] = Sequence{ID: q.ID, Tokens: q.Tokens, Prompt: q.Prompt}
	}
	for _, b := range Pack(plain, rows, columns) {
		if b.Positions == 0 {
			continue
		}
		logprobs, err := run(b)
		if err != nil {
			return nil, err
		}
		for p, origin := range b.Origin {
			result[origin.Sequence] = append(result[origin.Sequence], logprobs[p])
		}
	}
	return result, nil
}

// Close frees the session and its vectors.
func (s *Session) Close() {
	s.binding.Close()
	s.session.Close()
}

// bindBatch binds the inputs that training and scoring share.
func bindBatch(binding *ort.Binding, b Batch) error {
	for _, in := range []struct {
		name string
		data []int64
		dims []int
	}{
		{"input_ids", b.InputIDs, []int{b.Rows, b.Columns}}, {"position_ids", b.PositionIDs, []int{b.Rows, b.Columns}},
		{"segment_ids", b.SegmentIDs, []int{b.Rows, b.Columns}}, {"loss_index", b.LossIndex, []int{b.Positions}},
		{"target_ids", b.TargetIDs, []int{b.Positions, b.Targets}},
	} {
		if err := bindInput(binding, in.name, in.data, in.dims...); err != nil {
			return err
		}
	}
	return bindInput(binding, "target_probs", b.TargetProbs, b.Positions, b.Targets)
}

// bindInput binds a slice for the next run.
func bindInput[T float32 | int64](binding *ort.Binding, name string, data []T, dims ...int) error {
	t, err := tensor(data, dims)
	if err != nil {
		return err
	}
	defer t.Close()
	return binding.Input(name, t)
}

// bindOutput binds a slice for the next run.
func bindOutput[T float32 | int64](binding *ort.Binding, name string, data []T, dims ...int) error {
	t, err := tensor(data, dims)
	if err != nil {
		return err
	}
	defer t.Close()
	return binding.Output(name, t)
}

// tensor views a slice as a tensor.
func tensor[T float32 | int64](data []T, dims []int) (*ort.Tensor, error) {
	shape := make([]int64, len(dims))
	for i, d := range dims {
		shape[i] = int64(d)
	}
	return ort.NewTensor(shape, data)
}

// Size counts the values of all parameters: the length of the flat vector.
func Size(shapes []arch.Tensor) int {
	n := 0
	for _, p := range shapes {
		n += p.Elements()
	}
	return n
}
