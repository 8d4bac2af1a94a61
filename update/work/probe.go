package work

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"nightshift/internal/nightrecord"
	"nightshift/update/gate"
	"nightshift/update/selection"
)

// ProbesFile holds what earlier nights measured with and what the operator measures with, one item a line; Why names the set. It
// may be missing.
const ProbesFile = "probes.jsonl"

// probes reads the file.
func (w *worker) probes() ([]selection.Item, error) {
	items, _, err := readItems(filepath.Join(w.dir, ProbesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return items, err
}

// remember scores the probes with champion and candidate, adds those of the evaluation, which are scored already, and writes the
// file of all of them: what is known today is what later nights are compared with.
func (s *scorer) remember(ctx context.Context, items []selection.Item, e *Evaluation) error {
	scores := nightrecord.Scores{Candidate: e.Candidate, Bound: s.job.Forgetting}
	if s.champion != nil {
		var err error
		if scores.Champion, err = s.champion.Digest(); err != nil {
			return err
		}
	}
	add := func(set, id string, tokens int, champion, candidate float64) {
		if math.IsNaN(champion+candidate) || math.IsInf(champion+candidate, 0) {
			return // the gate has its word on that
		}
		if n := len(scores.Sets); n == 0 || scores.Sets[n-1].Name != set {
			scores.Sets = append(scores.Sets, nightrecord.ProbeSet{Name: set})
		}
		last := &scores.Sets[len(scores.Sets)-1]
		last.Probes = append(last.Probes, nightrecord.Probe{ID: id, Tokens: tokens, Champion: champion, Candidate: candidate})
	}
	probes, err := s.probes()
	if err != nil {
		return err
	}
	for _, it := range probes {
		seq, err := s.scored(it)
		if err != nil {
			return err
		}
		champion, err := s.nats(ctx, championName, it.ID, seq)
		if err != nil {
			return err
		}
		candidate, err := s.nats(ctx, candidateName, it.ID, seq)
		if err != nil {
			return err
		}
		add(it.Why, it.ID, len(seq.Tokens)-seq.Prompt, -champion, -candidate)
	}
	for _, anchor := range e.Anchors {
		known(items, selection.Anchor, anchor, func(it selection.Item, i int) {
			add(nightrecord.AnchorSet, it.ID, anchor.Tokens[i], -anchor.Champion[i], -anchor.Candidate[i])
		})
	}
	known(items, selection.HeldOut, e.Gain, func(it selection.Item, i int) {
		if it.Knowable() {
			add("", it.ID, e.Gain.Tokens[i], -e.Gain.Champion[i], -e.Gain.Candidate[i])
		}
	})
	data, err := scores.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, nightrecord.ScoresFile), data, 0o644)
}

// known visits the items of a use with the place of their scores in the set.
func known(items []selection.Item, use string, set gate.Paired, visit func(it selection.Item, i int)) {
	i := 0
	for _, it := range items {
		if it.Use == use && i < len(set.Tokens) {
			visit(it, i)
			i++
		}
	}
}
