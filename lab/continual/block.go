package continual

import (
	"context"

	"nightshift/update/train"
)

// orthogonal trains a block of its own in each phase, and keeps what it reads apart from what the blocks before read.
func orthogonal(_ context.Context, r *run, l *lesson) error {
	cfg, trainable := r.learner.model.Base.Config, r.learner.trainable
	pairs, err := train.Pairs(cfg, trainable)
	if err != nil {
		return err
	}
	rank := trainable.Rank / (len(r.exact) - 1)
	at := func(phase int) train.Block {
		return train.Block{Pairs: pairs, From: phase * rank, To: (phase + 1) * rank}
	}
	var earlier [][][]float32
	for phase := range l.phase {
		earlier = append(earlier, at(phase).A(r.params))
	}
	own := at(l.phase)
	penalty, err := train.NewOrthogonal(cfg, trainable, r.settings.Strength, earlier, own)
	l.options.Penalties, l.options.Block = append(l.options.Penalties, penalty), &own
	return err
}
