// Package retention says how well versions know what earlier ones learned: scores of fixed questions, as a matrix of what
// was learned against what was known after it, and the figures of continual learning that it gives.
//
// Report reads a track's matrix from the registry: nights leave the scores of their probes behind, each for the champion that
// they began with and the candidate that they made, so that the scores of every activation are known, a rollback's too. It
// compares probes one by one: what was retired or forgotten since does not count on either side.
//
// It runs no model and writes nothing.
package retention

import (
	"encoding/json"
	"fmt"
	"math"
)

// Matrix holds scores, higher is better: R[i][j] is the score on task j, counted from 0, after learning i tasks, so row 0
// is from before any. A cell that was not measured is NaN, never 0: scores such as a negative log-likelihood are below 0,
// and a 0 would be the best of them. In JSON it is null.
type Matrix [][]float64

// NewMatrix returns a matrix of cells that were not measured.
func NewMatrix(rows, columns int) Matrix {
	r := make(Matrix, rows)
	for i := range r {
		r[i] = make([]float64, columns)
		for j := range r[i] {
			r[i][j] = math.NaN()
		}
	}
	return r
}

// MarshalJSON writes rows of numbers and nulls.
func (r Matrix) MarshalJSON() ([]byte, error) {
	rows := make([][]*float64, len(r))
	for i, row := range r {
		rows[i] = make([]*float64, len(row))
		for j, v := range row {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				rows[i][j] = &v
			}
		}
	}
	return json.Marshal(rows)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Matrix) UnmarshalJSON(data []byte) error {
	var rows [][]*float64
	if err := json.Unmarshal(data, &rows); err != nil {
		return fmt.Errorf("read matrix of scores: %w", err)
	}
	*r = make(Matrix, len(rows))
	for i, row := range rows {
		(*r)[i] = make([]float64, len(row))
		for j, v := range row {
			(*r)[i][j] = math.NaN()
			if v != nil {
				(*r)[i][j] = *v
			}
		}
	}
	return nil
}

// Metrics are the figures of one sequence of tasks. One that needs a cell that was not measured, or two tasks where there
// is one, is NaN.
type Metrics struct {
	// ACC is the mean score on all tasks after the last (Lopez-Paz & Ranzato 2017, arXiv:1706.08840, equation 2).
	ACC float64
	// BWT is the mean change of a task's score from just after it was learned to the end (equation 3).
	BWT float64
	// FWT is how much better a task's score is just before it is learned than before anything was (equation 4, with row 0,
	// the model that learning starts from, in the place of one with random weights).
	FWT float64
	// Forgetting is how far a task's score is at the end below its best after any earlier task (Chaudhry et al. 2018,
	// arXiv:1801.10112, section 3.2; row 0 does not count, nor does what was not measured before the task was learned). Below 0
	// where the end is the best.
	Forgetting float64
	// Learning is the mean score on a task just after it was learned (learning accuracy, Riemer et al. 2019,
	// arXiv:1810.11910).
	Learning float64
}

// Measure computes the metrics of T tasks: r must have T+1 rows of T scores.
func Measure(r Matrix) (Metrics, error) {
	tasks := len(r) - 1
	if tasks < 1 {
		return Metrics{}, fmt.Errorf("measure a matrix of %d rows: it needs one before and one after each task", len(r))
	}
	for i, row := range r {
		if len(row) != tasks {
			return Metrics{}, fmt.Errorf("measure a matrix for %d tasks: row %d has %d scores", tasks, i, len(row))
		}
	}
	m := Metrics{ACC: Mean(r[tasks]), BWT: math.NaN(), FWT: math.NaN(), Forgetting: math.NaN(), Learning: math.NaN()}
	var learned, back, forward, lost []float64
	for j := range tasks {
		learned = append(learned, r[j+1][j])
		if j < tasks-1 {
			back = append(back, r[tasks][j]-r[j+1][j])
			lost = append(lost, best(r, j, tasks)-r[tasks][j])
		}
		if j > 0 {
			forward = append(forward, r[j][j]-r[0][j])
		}
	}
	m.Learning = Mean(learned)
	if tasks > 1 {
		m.BWT, m.FWT, m.Forgetting = Mean(back), Mean(forward), Mean(lost)
	}
	return m, nil
}

// best is a task's best score after 1 to tasks−1 tasks, NaN when one was not measured from the task itself on.
func best(r Matrix, task, tasks int) float64 {
	b := math.Inf(-1)
	for i := 1; i < tasks; i++ {
		if i > task || !math.IsNaN(r[i][task]) {
			b = math.Max(b, r[i][task]) // NaN stays NaN
		}
	}
	return b
}

// GapClosed is the share of the way from naive training to joint training that a method goes:
// (method − naive)/(joint − naive). It is NaN where joint training is not better than naive: there is no gap to close.
func GapClosed(method, naive, joint float64) float64 {
	if !(joint > naive) {
		return math.NaN()
	}
	return (method - naive) / (joint - naive)
}

// Mean is the arithmetic mean, NaN of none.
func Mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
