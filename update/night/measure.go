package night

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"nightshift/models/adapter"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// measures are what a night knows of examples by its champion: of those that it may learn, and of those that it may rehearse.
// They are taken in a process of their own before the selection is frozen. So what is frozen is final: the gate counts it,
// a replay repeats it and the memory takes it up as it is, and whoever asks why an example is missing finds the reason beside the
// others.
type measures map[string]selection.Measure

// measured measures what a night may learn, in its order, and what may be rehearsed. Both are nil where nothing is asked of the model.
func (n *night) measured(ctx context.Context, items, rehearsable []selection.Item) (list []selection.Measure, of measures, err error) {
	e, t := n.settings.Evidence, n.settings.Train
	want := work.Measures{Losses: e.OutlierLoss > 0 || t.RehearsalPolicy == selection.Priority || t.RehearsalReplacement == selection.Priority,
		Embeddings: t.RehearsalPolicy == selection.Diversity}
	if n.looks || !want.Losses && !want.Embeddings && e.OutlierGradient <= 0 ||
		len(items) < max(1, e.MinExamples) { // the night will be skipped
		return nil, nil, nil
	}
	if t.RehearsalPolicy == selection.Random || t.RehearsalPolicy == selection.Feedback || len(rehearsable) <= n.nights.cfg.sizes.rehearsal {
		rehearsable = nil // all of them, any, or those that weigh most
	}
	if e.OutlierGradient > 0 {
		want.Gradients = len(items)
	}
	found, err := n.measure(ctx, append(slices.Clone(items), rehearsable...), want)
	if err != nil {
		return nil, nil, err
	}
	of = measures{}
	for i, it := range rehearsable {
		of[it.ID] = found[len(items)+i]
	}
	return found[:len(items)], of, nil
}

// measure has a child process measure items, in a directory that is gone afterwards.
func (n *night) measure(ctx context.Context, items []selection.Item, want work.Measures) (list []selection.Measure, err error) {
	dir, err := os.MkdirTemp("", "nightshift-measure-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }() // people's texts
	job := n.job()
	job.Measure = &want
	if job.Champion, err = n.nights.copyVersion(n.frozen.Champion.Digest, dir, championDir); err != nil {
		return nil, err
	}
	data, err := selection.EncodeItems(items)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, work.SelectionFile), data, 0o600), writeJob(dir, job)); err != nil {
		return nil, err
	}
	if err := n.nights.deps.Runner.Run(ctx, dir, n.log.progress); err != nil {
		return nil, err
	}
	if data, err = os.ReadFile(filepath.Join(dir, work.MeasuresFile)); err != nil {
		return nil, err
	}
	return decodeMeasures(data, len(items))
}

// writeJob asks for the work of a directory.
func writeJob(dir string, job work.Job) error {
	data, err := json.MarshalIndent(job, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", work.JobFile, err)
	}
	return os.WriteFile(filepath.Join(dir, work.JobFile), data, 0o644)
}

// copyVersion writes a version's files into a directory of that name within another and returns its name, "" for the base model.
func (ns *Nights) copyVersion(digest, within, name string) (string, error) {
	if digest == "" {
		return "", nil
	}
	config, weights, _, err := ns.deps.Registry.Load(digest)
	if err != nil {
		return "", fmt.Errorf("load %s: %w", name, err)
	}
	a, err := adapter.Parse(config, weights)
	if err != nil {
		return "", fmt.Errorf("load %s: %w", name, err)
	}
	return name, a.Write(filepath.Join(within, name))
}

// decodeMeasures reads a file of measures, which must be count.
func decodeMeasures(data []byte, count int) ([]selection.Measure, error) {
	list := make([]selection.Measure, 0, count)
	d := json.NewDecoder(bufio.NewReader(bytes.NewReader(data)))
	for {
		var m selection.Measure
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("decode measure %d: %w", len(list)+1, err)
		}
		list = append(list, m)
	}
	if len(list) != count {
		return nil, fmt.Errorf("decode measures: there are %d of %d examples", len(list), count)
	}
	return list, nil
}

// rehearse returns what picks at most so many items by the policy of the settings; at random where it goes by measures and there are none.
func (t Train) rehearse(m measures) func([]selection.Item, int) []selection.Item {
	return func(items []selection.Item, limit int) []selection.Item {
		losses, feedback, embeddings := make([]float64, len(items)), make([]float64, len(items)), make([][]float32, len(items))
		for i, it := range items {
			found, ok := m[it.ID]
			if !ok && t.RehearsalPolicy != selection.Feedback {
				return selection.RandomSample(items, limit)
			}
			losses[i], embeddings[i], feedback[i] = found.Loss, found.Embedding, t.feedback(it)
		}
		switch t.RehearsalPolicy {
		case selection.Priority:
			return selection.PrioritySample(items, selection.PriorityWeights(losses, feedback, t.RehearsalUniform), limit)
		case selection.Feedback:
			return selection.PrioritySample(items, selection.PriorityWeights(nil, feedback, t.RehearsalUniform), limit)
		case selection.Diversity:
			return selection.DiverseSample(items, embeddings, limit)
		}
		return selection.RandomSample(items, limit)
	}
}

// feedback is the weight of the feedback that an example comes from; the model's own examples have 1.
func (t Train) feedback(it selection.Item) float64 {
	switch {
	case it.Interaction == "":
		return 1
	case it.Rejected != "":
		return t.CorrectionWeight
	}
	return t.ApprovalWeight
}

// admissionWeights are the weights with which new examples enter the memory: 1 for random replacement, and for priority their
// share of the priority of all times their number, so that one night's weights can be compared with another's.
func (t Train) admissionWeights(fresh []selection.Item) []float64 {
	losses, feedback := make([]float64, len(fresh)), make([]float64, len(fresh))
	for i, it := range fresh {
		losses[i], feedback[i] = it.Loss, t.feedback(it)
	}
	uniform := t.RehearsalUniform
	switch t.RehearsalReplacement {
	case selection.Feedback:
		losses = nil
	case selection.Random:
		uniform = 1
	}
	weights := selection.PriorityWeights(losses, feedback, uniform)
	for i := range weights {
		weights[i] = min(max(weights[i]*float64(len(fresh)), minWeight), 1/minWeight)
	}
	return weights
}

// minWeight keeps the weights of the memory within its bounds: what is easy is seldom kept, not never.
const minWeight = 1e-3
