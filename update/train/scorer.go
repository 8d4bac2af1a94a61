package train

import (
	"fmt"
	"math"

	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// Scorer holds the scoring graph: log-probabilities and the most probable tokens of every position, under the base
// model with given adapter factors. It is for one goroutine.
type Scorer struct {
	session *ort.Session
	binding *ort.Binding
	params  []float32
	top     int
	vocab   int
	rows    int
	columns int
}

// NewScorer builds the scoring graph for microbatches of rows×columns tokens; top is the size of the sparse
// distributions that it reads off.
func NewScorer(base Base, trainable graphs.Trainable, top, rows, columns, threads int) (*Scorer, error) {
	shapes, err := trainable.Parameters(base.Config)
	if err != nil {
		return nil, err
	}
	graph, err := families.Of(base.Config).Score(base.Weights, trainable, top)
	if err != nil {
		return nil, err
	}
	s := &Scorer{top: top, vocab: base.Config.Vocab, rows: rows, columns: columns, params: ort.AlignedFloats(Size(shapes))}
	if s.session, err = open(graph, base.Dir, threads); err != nil {
		return nil, err
	}
	if s.binding, err = s.session.NewBinding(); err != nil {
		return nil, err
	}
	at := 0
	for _, p := range shapes {
		t, err := ort.NewTensor(p.Dims, s.params[at:at+p.Elements()])
		if err != nil {
			return nil, err
		}
		if err := s.binding.Input(p.Name, t); err != nil {
			return nil, err
		}
		at += p.Elements()
	}
	return s, nil
}

// Close frees the session.
func (s *Scorer) Close() {
	s.binding.Close()
	s.session.Close()
}

// Teach fills the Teacher of every sequence with the top distributions of the model with the given parameters, all other tokens as their
// tail, and sets TeacherShare to share.
func (s *Scorer) Teach(params []float32, list []Sequence, share float32) error {
	if len(params) != len(s.params) {
		return fmt.Errorf("teach: %d parameters were given, the graph has %d", len(params), len(s.params))
	}
	copy(s.params, params)
	for i := range list {
		list[i].Teacher = nil
	}
	taught := make([][]Distribution, len(list))
	for _, b := range Pack(list, s.rows, s.columns) {
		if b.Positions == 0 {
			continue
		}
		ids, logprobs, _, err := s.run(b)
		if err != nil {
			return err
		}
		for p, origin := range b.Origin {
			at := origin.Token - list[origin.Sequence].Prompt
			if at < 0 {
				continue
			}
			for len(taught[origin.Sequence]) <= at {
				taught[origin.Sequence] = append(taught[origin.Sequence], Distribution{})
			}
			taught[origin.Sequence][at] = distribution(ids[p*s.top:(p+1)*s.top], logprobs[p*s.top:(p+1)*s.top], s.vocab)
		}
	}
	for i := range list {
		list[i].Teacher, list[i].TeacherShare = taught[i], share
	}
	return nil
}

// LogProbs returns, for every sequence, the log-probabilities of the tokens that carry loss under the model with the given
// parameters, in nats and in order. Of a sequence longer than a row, whose oldest tokens are cut, they are those of the tokens
// that remain. Weights and teachers make no difference.
func (s *Scorer) LogProbs(params []float32, list []Sequence) ([][]float32, error) {
	if len(params) != len(s.params) {
		return nil, fmt.Errorf("score sequences: %d parameters were given, the graph has %d", len(params), len(s.params))
	}
	copy(s.params, params)
	return logProbs(list, s.rows, s.columns, func(b Batch) ([]float32, error) {
		_, _, logprobs, err := s.run(b)
		return logprobs, err
	})
}

// run scores one batch: the likeliest tokens with their log-probabilities, and those of the targets.
func (s *Scorer) run(b Batch) (ids []int64, top, targets []float32, err error) {
	if err := bindBatch(s.binding, b); err != nil {
		return nil, nil, nil, err
	}
	ids, top, targets = make([]int64, b.Positions*s.top), make([]float32, b.Positions*s.top), make([]float32, b.Positions)
	if err := bindOutput(s.binding, "top_ids", ids, b.Positions, s.top); err != nil {
		return nil, nil, nil, err
	}
	if err := bindOutput(s.binding, "top_logprobs", top, b.Positions, s.top); err != nil {
		return nil, nil, nil, err
	}
	if err := bindOutput(s.binding, "logprobs", targets, b.Positions); err != nil {
		return nil, nil, nil, err
	}
	if err := s.binding.Run(); err != nil {
		return nil, nil, nil, fmt.Errorf("score %d positions: %w", b.Positions, err)
	}
	return ids, top, targets, nil
}

// distribution makes one position's top tokens and their log-probabilities a distribution over a vocabulary. What rounding makes of a
// tail where there are no other tokens, or of more than 1, is none; then the tokens are normalised.
func distribution(ids []int64, logprobs []float32, vocab int) Distribution {
	d := Distribution{IDs: make([]int32, len(ids)), Probs: make([]float32, len(ids))}
	var sum float64
	for _, l := range logprobs {
		sum += math.Exp(float64(l))
	}
	if len(ids) < vocab && sum < 1 {
		d.Tail, sum = float32(1-sum), 1
	}
	for k, id := range ids {
		d.IDs[k], d.Probs[k] = int32(id), float32(math.Exp(float64(logprobs[k]))/sum)
	}
	return d
}
