package work

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/models/arch"
	"nightshift/update/train"
)

// Auto stands for modules in a job that chooses them itself, by what the new examples ask for. What was chosen is exact linears,
// which may differ from layer to layer; a later night takes them over from its champion.
const Auto = "auto"

// massExamples is on how many new examples the choice is made at most: one forward and backward pass each.
const massExamples = 128

// chooses says whether the linears are still to be chosen.
func (t Train) chooses() bool { return t.Targets == nil && slices.Contains(t.Modules, Auto) }

// targets lists the adapted linears of a model, by layer; with modules to be chosen, all that could be.
func (t Train) targets(shape arch.Shape) []arch.Target {
	if t.Targets != nil {
		return t.Targets
	}
	modules, among := t.Modules, t.Layers
	if t.chooses() {
		modules = shape.Modules()
	}
	if among == nil {
		for layer := range shape.Layers {
			among = append(among, layer)
		}
	}
	var list []arch.Target
	for _, layer := range among {
		for _, m := range modules {
			list = append(list, arch.Target{Layer: layer, Module: m})
		}
	}
	return list
}

// choose settles which linears the job adapts, where it is to choose, and says what it went by.
func (w *worker) choose(ctx context.Context, l lessons) ([]nightrecord.Linear, error) {
	t := &w.job.Train
	if !t.chooses() {
		return nil, nil
	}
	if w.champion != nil {
		return nil, fmt.Errorf("choose modules: a candidate that goes on from a champion has that one's")
	}
	fresh := l.examples()
	random := rand.New(rand.NewPCG(w.job.Seed, 0x63686f6f7365)) //nolint:gosec // reproducible, not secret
	random.Shuffle(len(fresh), func(i, j int) { fresh[i], fresh[j] = fresh[j], fresh[i] })
	all := t.targets(w.model.Config)
	costs := make([]int, len(all))
	budget, usual := t.Budget, w.model.Config.FeedForward()
	for i, target := range all {
		in, out, err := w.model.Config.Dims(target.Module)
		if err != nil {
			return nil, err
		}
		costs[i] = (in + out) * t.Rank
		if t.Budget == 0 && slices.Contains(usual, target.Module) {
			budget += costs[i]
		}
	}
	masses, err := train.Masses(ctx, w.base(), all, fresh[:min(massExamples, len(fresh))], t.Columns, w.job.Threads, w.job.Seed)
	if err != nil {
		return nil, err
	}
	chosen := train.Densest(masses, costs, budget)
	if len(chosen) == 0 {
		return nil, fmt.Errorf("choose modules: a budget of %d parameters holds none; the smallest linear takes %d at rank %d", budget, slices.Min(costs), t.Rank)
	}
	whole := 0.0
	for _, m := range masses {
		whole += m
	}
	list := make([]nightrecord.Linear, len(all))
	for i, target := range all {
		list[i] = nightrecord.Linear{Layer: target.Layer, Module: target.Module, Parameters: costs[i], Chosen: slices.Contains(chosen, i)}
		if whole > 0 {
			list[i].Share = masses[i] / whole
		}
	}
	for _, i := range chosen {
		t.Targets = append(t.Targets, all[i])
	}
	return list, nil
}
