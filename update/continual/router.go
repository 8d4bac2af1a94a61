package continual

import (
	"math"

	"nightshift/update/train"
)

// router tells tasks apart by the tokens of a question: a naive Bayes classifier with the same prior for each task and one
// count added to every token (Laplace smoothing). Counts of one task do not change with another, so that it forgets nothing.
type router struct {
	vocab  int
	counts []map[int32]float64
	totals []float64
}

// learn adds a task.
func (r *router) learn(list []train.Sequence) {
	counts, total := map[int32]float64{}, 0.0
	for _, q := range list {
		for _, t := range q.Tokens[:q.Prompt] {
			counts[t]++
			total++
		}
	}
	r.counts, r.totals = append(r.counts, counts), append(r.totals, total)
}

// route is the most probable task of a question, of equals the first; −1 when there is none.
func (r *router) route(prompt []int32) int {
	best, at := 0.0, -1
	for task, counts := range r.counts {
		score := 0.0
		for _, t := range prompt {
			score += math.Log((counts[t] + 1) / (r.totals[task] + float64(r.vocab)))
		}
		if at < 0 || score > best {
			best, at = score, task
		}
	}
	return at
}
