package work

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"nightshift/onnx/graphs"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// MeasuresFile holds what a run measured: a selection.Measure for each item of the selection, in order, one a line.
const MeasuresFile = "measures.jsonl"

// Measures says what to measure of a selection with the champion, in place of training on it.
type Measures struct {
	Losses     bool `json:"losses"`
	Gradients  int  `json:"gradients"` // of so many items, the first ones, each by itself: as dear as training on them once
	Embeddings bool `json:"embeddings"`
}

// measure measures the items and writes the file.
func (w *worker) measure(ctx context.Context, items []selection.Item) error {
	list := make([]train.Sequence, len(items))
	for i, it := range items {
		var err error
		if list[i], err = w.sequence(it); err != nil {
			return err
		}
		list[i].Weight = 0 // how much a person's word weighs is not the model's affair
	}
	measures := make([]selection.Measure, len(items))
	m := w.job.Measure
	if m.Losses {
		if err := w.losses(ctx, list, measures); err != nil {
			return err
		}
	}
	if n := min(m.Gradients, len(list)); n > 0 {
		if err := w.gradients(ctx, list[:n], measures); err != nil {
			return err
		}
	}
	if m.Embeddings {
		embeddings, err := w.embeddings(items)
		if err != nil {
			return err
		}
		for i := range measures {
			measures[i].Embedding = embeddings[i]
		}
	}
	return writeMeasures(filepath.Join(w.dir, MeasuresFile), measures)
}

// champions are the factors that a night starts from, with what they adapt.
func (w *worker) champions() (graphs.Trainable, []float32, train.Base, error) {
	base := w.base()
	trainable, err := w.trainable()
	if err != nil {
		return trainable, nil, base, err
	}
	start, err := w.start(trainable)
	return trainable, start, base, err
}

// measured is how many sequences are scored between two lines of progress.
const measured = 64

// losses fills in the champion's loss of each sequence.
func (w *worker) losses(ctx context.Context, list []train.Sequence, into []selection.Measure) error {
	t := w.job.Train
	trainable, start, base, err := w.champions()
	if err != nil {
		return err
	}
	scorer, err := train.NewScorer(base, trainable, 1, t.Rows, t.Columns, w.job.Threads)
	if err != nil {
		return err
	}
	defer scorer.Close()
	for from := 0; from < len(list); from += measured {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := list[from:min(from+measured, len(list))]
		logprobs, err := scorer.LogProbs(start, part)
		if err != nil {
			return err
		}
		for i, tokens := range logprobs {
			for _, l := range tokens {
				into[from+i].Loss -= float64(l) / float64(len(tokens))
			}
		}
		if err := w.lines.Encode(ProgressLine{Stage: "select", Done: from + len(part), Total: len(list)}); err != nil {
			return err
		}
	}
	return nil
}

// gradients fills in the norm of the gradient of each sequence's loss, in nats per token, with respect to the factors that a
// night trains.
func (w *worker) gradients(ctx context.Context, list []train.Sequence, into []selection.Measure) error {
	t := w.job.Train
	trainable, start, base, err := w.champions()
	if err != nil {
		return err
	}
	session, err := train.NewSession(base, trainable, w.job.Threads)
	if err != nil {
		return err
	}
	defer session.Close()
	copy(session.Parameters(), start)
	for i := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, b := range train.Pack(list[i:i+1], 1, t.Columns) { // one batch: whatever is longer than a row is cut
			if b.Positions == 0 {
				continue
			}
			_, grads, err := session.Gradient(b, 1/float32(b.Positions), nil)
			if err != nil {
				return err
			}
			var sum float64
			for _, g := range grads {
				sum += float64(g) * float64(g)
			}
			into[i].Gradient = math.Sqrt(sum)
		}
		if (i+1)%measured == 0 || i+1 == len(list) {
			if err := w.lines.Encode(ProgressLine{Stage: "select", Done: i + 1, Total: len(list)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeMeasures writes the file. What is not finite is written as the largest number: JSON has no other.
func writeMeasures(path string, measures []selection.Measure) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write measures: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriter(f)
	lines := json.NewEncoder(out)
	for _, m := range measures {
		m.Loss, m.Gradient = finite(m.Loss), finite(m.Gradient)
		if err := lines.Encode(m); err != nil {
			return fmt.Errorf("write measures: %w", err)
		}
	}
	return out.Flush()
}

// finite is a number that JSON can hold.
func finite(x float64) float64 {
	if math.IsNaN(x) {
		return math.MaxFloat64
	}
	return max(-math.MaxFloat64, min(x, math.MaxFloat64))
}
