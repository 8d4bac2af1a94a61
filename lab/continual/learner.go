package continual

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// Budget is what every method may spend on a phase, and the adapter it spends it on.
type Budget struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`
	Modules []string `json:"modules"`
	Rate    float64  `json:"learning_rate"`
	Warmup  float64  `json:"warmup"`
	Clip    float64  `json:"clip"`
	Rows    int      `json:"rows"`
	Columns int      `json:"columns"`
	Steps   int      `json:"steps"` // of a phase; replayed tokens count like all others
}

// learner holds the graphs of one worker for the life of the process: sessions that come and go would leak.
type learner struct {
	model     *Model
	budget    Budget
	trainable graphs.Trainable
	session   *train.Session
	scorer    *train.Scorer
	fishers   map[graphs.By]*train.Fisher // opened by the first method that asks for one
	wide      map[int]*learner            // by how many times wider; the same
}

// newLearner opens the graphs, for one thread, so that results do not depend on how many workers there are.
func newLearner(m *Model, b Budget) (*learner, error) {
	l := &learner{model: m, budget: b, fishers: map[graphs.By]*train.Fisher{}, wide: map[int]*learner{},
		trainable: graphs.Trainable{Rank: b.Rank, Scale: b.Alpha / float64(b.Rank)}}
	for layer := range m.Base.Config.Layers {
		for _, module := range b.Modules {
			l.trainable.Targets = append(l.trainable.Targets, arch.Target{Layer: layer, Module: module})
		}
	}
	var err error
	if l.session, err = train.NewSession(m.Base, l.trainable, 1); err != nil {
		return nil, err
	}
	if l.scorer, err = train.NewScorer(m.Base, l.trainable, train.TeacherTokens, b.Rows, b.Columns, 1); err != nil {
		l.session.Close()
		return nil, err
	}
	return l, nil
}

func (l *learner) close() {
	l.session.Close()
	l.scorer.Close()
	for _, f := range l.fishers {
		f.Close()
	}
	for _, w := range l.wide {
		w.close()
	}
}

// wider is a learner of adapters of the given times the rank, at the same scale.
func (l *learner) wider(times int) (*learner, error) {
	if w, ok := l.wide[times]; ok {
		return w, nil
	}
	b := l.budget
	b.Rank, b.Alpha = b.Rank*times, b.Alpha*float64(times)
	w, err := newLearner(l.model, b)
	if err != nil {
		return nil, err
	}
	l.wide[times] = w
	return w, nil
}

// fisher is the graph that estimates the Fisher information of factors or of their products.
func (l *learner) fisher(by graphs.By) (*train.Fisher, error) {
	if f, ok := l.fishers[by]; ok {
		return f, nil
	}
	f, err := train.NewFisher(l.model.Base, l.trainable, by, l.budget.Columns, 1)
	if err != nil {
		return nil, err
	}
	l.fishers[by] = f
	return f, nil
}

// start is an adapter that changes nothing: A is drawn as PEFT draws it, U(−1/√in, 1/√in), and B is zero.
func (l *learner) start(seed uint64) ([]float32, error) {
	random := rand.New(rand.NewPCG(seed, 0x6c6f7261)) //nolint:gosec // reproducible, not secret
	var params []float32
	for _, t := range l.trainable.Targets {
		in, out, err := l.model.Base.Config.Dims(t.Module)
		if err != nil {
			return nil, err
		}
		bound := 1 / math.Sqrt(float64(in))
		for range in * l.trainable.Rank {
			params = append(params, float32((2*random.Float64()-1)*bound))
		}
		params = append(params, make([]float32, l.trainable.Rank*out)...)
	}
	return params, nil
}

// Score is what an exam gives; higher is better in both.
type Score struct {
	// Exact is the share of answers that greedy decoding gets right to the last token. It is computed in one pass over the
	// right answer: greedy decoding says it exactly if each of its tokens is the most probable one after those before.
	Exact float64
	// LogProb is the mean log-probability of the right answers in nats per token: minus the negative log-likelihood.
	LogProb float64
}

// exam scores parameters on sequences.
func (l *learner) exam(params []float32, list []train.Sequence) (Score, error) {
	right, logprobs, err := l.answers(params, list)
	if err != nil {
		return Score{}, err
	}
	var s Score
	tokens := 0
	for i := range list {
		if right[i] {
			s.Exact++
		}
		for _, v := range logprobs[i] {
			s.LogProb += float64(v)
		}
		tokens += len(logprobs[i])
	}
	if tokens == 0 {
		return Score{}, errors.New("score an exam: it has no answers")
	}
	s.Exact /= float64(len(list))
	s.LogProb /= float64(tokens)
	return s, nil
}

// answers says which answers greedy decoding gets right, and gives the log-probability of each token. A token with more than
// half of the probability is the most probable one; the distributions are looked at only where some token has not.
func (l *learner) answers(params []float32, list []train.Sequence) (right []bool, logprobs [][]float32, err error) {
	if logprobs, err = l.scorer.LogProbs(params, list); err != nil {
		return nil, nil, err
	}
	right = make([]bool, len(list))
	var doubtful []train.Sequence
	var at []int
	for i, q := range list {
		if len(q.Tokens) > l.budget.Columns {
			return nil, nil, fmt.Errorf("score %q: it has %d tokens, a row has room for %d", q.ID, len(q.Tokens), l.budget.Columns)
		}
		right[i] = !slices.ContainsFunc(logprobs[i], func(v float32) bool { return v <= -math.Ln2 })
		if !right[i] {
			doubtful, at = append(doubtful, q), append(at, i)
		}
	}
	if err := l.scorer.Teach(params, doubtful, 0); err != nil {
		return nil, nil, err
	}
	for k, q := range doubtful {
		right[at[k]] = true
		for j, d := range q.Teacher {
			right[at[k]] = right[at[k]] && d.IDs[0] == q.Tokens[q.Prompt+j]
		}
	}
	return right, logprobs, nil
}

// options are those of a phase without a method.
func (l *learner) options(seed uint64) train.Options {
	b := l.budget
	return train.Options{Rate: b.Rate, Warmup: b.Warmup, Clip: b.Clip, Rows: b.Rows, Columns: b.Columns, Micro: 1, Steps: b.Steps, Seed: seed}
}
