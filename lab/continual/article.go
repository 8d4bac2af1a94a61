package continual

import (
	"context"
	"fmt"
	"math/rand/v2"

	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// Article is the smallest example of rehearsal: every weight of a GPT-2 learns two tasks one after the other, and the first
// samples of the first one come along in every batch of the second.
type Article struct {
	Memory int     // samples of the first task
	Epochs int     // of each task
	Batch  int     // new samples of a step
	Rate   float64 // of Adam, constant, without weight decay or clipping
	Seed   uint64
}

// DefaultArticle has 10 samples, 5 epochs and batches of 4. Its learning rate is for the small model of the benchmark, where
// 1e-5, which suits GPT-2 of 124 million weights, does not learn the tasks in 5 epochs. With 1e-3 and less that model forgets
// next to nothing of one task over another, and ten samples change nothing; with this rate they do.
func DefaultArticle() Article { return Article{Memory: 10, Epochs: 5, Batch: 4, Rate: 2e-3, Seed: 1} }

// Losses are mean negative log-likelihoods of right answers in nats per token, on phrasings that were not learned from;
// lower is better.
type Losses struct {
	First  float64 `json:"first"`  // task
	Second float64 `json:"second"` // task
	Mean   float64 `json:"mean"`   // of the two
}

// ArticleResult is what became of the losses.
type ArticleResult struct {
	Tasks  [2]string `json:"tasks"`
	Before Losses    `json:"before"`       // anything was learned
	Middle Losses    `json:"after_first"`  // after the first task
	Naive  Losses    `json:"naive"`        // after the second, without the memory
	After  Losses    `json:"with_memory"`  // after the second, with the memory in every batch
	Steps  int       `json:"steps_a_task"` // the same for both
}

// Results are the losses for programs, by names that end in _before and _after: before anything was learned, and after both
// tasks; _naive is without the memory.
func (r ArticleResult) Results() map[string]float64 {
	return map[string]float64{
		"task1_loss_before": r.Before.First, "task1_loss_middle": r.Middle.First, "task1_loss_after": r.After.First, "task1_loss_after_naive": r.Naive.First,
		"task2_loss_before": r.Before.Second, "task2_loss_middle": r.Middle.Second, "task2_loss_after": r.After.Second, "task2_loss_after_naive": r.Naive.Second,
	}
}

// Run trains every weight, and the second task twice from the same point.
func (a Article) Run(ctx context.Context, m *Model, size Sizes, report func(train.Step) error) (ArticleResult, error) {
	var out ArticleResult
	if a.Memory < 0 || a.Epochs < 1 || a.Batch < 1 || a.Rate <= 0 {
		return out, fmt.Errorf("run the article's example: memory %d, epochs %d, batch %d and rate %g must be positive", a.Memory, a.Epochs, a.Batch, a.Rate)
	}
	course := TaskCourse([]int{0, 1}, Final, Test, a.Seed, size)
	copy(out.Tasks[:], course.Columns)
	trainable := graphs.Trainable{Full: true}
	const rows, columns = 8, 64
	s, err := train.NewSession(m.Base, trainable, 1)
	if err != nil {
		return out, err
	}
	defer s.Close()
	scorer, err := train.NewScorer(m.Base, trainable, 1, rows, columns, 1)
	if err != nil {
		return out, err
	}
	defer scorer.Close()
	l := &learner{model: m, budget: Budget{Rows: rows, Columns: columns}, scorer: scorer}
	losses := func(into *Losses) error {
		for k, value := range []*float64{&into.First, &into.Second} {
			score, err := l.exam(s.Parameters(), m.Sequences(course.Before[k]))
			if err != nil {
				return err
			}
			*value = -score.LogProb
		}
		into.Mean = (into.First + into.Second) / 2
		return nil
	}
	first, second := m.Sequences(course.Phases[0].Learn), m.Sequences(course.Phases[1].Learn)
	out.Steps = a.Epochs * ((len(first) + a.Batch - 1) / a.Batch)
	fit := func(list, memory []train.Sequence, into *Losses) error {
		opt := train.Options{Rate: a.Rate, Floor: 1, Rows: rows, Columns: columns, Micro: 1, Steps: out.Steps, Seed: a.Seed}
		if err := train.Fit(ctx, s, batches(list, memory, a.Batch), opt, report); err != nil {
			return err
		}
		return losses(into)
	}
	if err := m.weights(s); err != nil {
		return out, err
	}
	if err := losses(&out.Before); err != nil {
		return out, err
	}
	if err := fit(first, nil, &out.Middle); err != nil {
		return out, err
	}
	learned := append([]float32(nil), s.Parameters()...)
	if err := fit(second, nil, &out.Naive); err != nil {
		return out, err
	}
	copy(s.Parameters(), learned)
	return out, fit(second, first[:min(a.Memory, len(first))], &out.After)
}

// weights writes the model's weights into a session that trains them all.
func (m *Model) weights(s *train.Session) error {
	params := s.Parameters()
	for _, p := range s.Shapes() {
		values, err := m.Checkpoint.Floats(p.Name)
		if err != nil {
			return err
		}
		params = params[copy(params, values):]
	}
	return nil
}

// batches is a source of epochs in random order, size at a time and fewer at the end of an epoch, with the memory behind
// each of them.
func batches(list, memory []train.Sequence, size int) train.Source {
	var order []int
	return func(r *rand.Rand, _, _ int) []train.Sequence {
		if len(order) == 0 {
			order = r.Perm(len(list))
		}
		var batch []train.Sequence
		for _, at := range order[:min(size, len(order))] {
			batch = append(batch, list[at])
		}
		order = order[min(size, len(order)):]
		return append(batch, memory...)
	}
}
