package continual

import (
	"context"

	"nightshift/update/train"
)

// block is the columns from…to of every A and the rows from…to of every B of a wide adapter: the factors of one task. As a
// penalty it is worth nothing and takes the gradients of all other factors away, so that a step leaves them exactly where
// they are; it must be the last one, and there must be no weight decay.
type block struct {
	pairs    []train.Pair
	from, to int
}

// Add clears the gradients outside the block.
func (b block) Add(_, grads []float32) float64 {
	for _, p := range b.pairs {
		for i := range p.In {
			row := grads[p.A+i*p.Rank:][:p.Rank]
			clear(row[:b.from])
			clear(row[b.to:])
		}
		clear(grads[p.B:][:b.from*p.Out])
		clear(grads[p.B+b.to*p.Out:][:(p.Rank-b.to)*p.Out])
	}
	return 0
}

// first are the A of the block, [in, to−from], of every pair.
func (b block) first(params []float32) [][]float32 {
	list := make([][]float32, len(b.pairs))
	for n, p := range b.pairs {
		for i := range p.In {
			list[n] = append(list[n], params[p.A+i*p.Rank:][b.from:b.to]...)
		}
	}
	return list
}

// orthogonal trains a block of its own in each phase, and keeps what it reads apart from what the blocks before read.
func orthogonal(_ context.Context, r *run, l *lesson) error {
	cfg, trainable := r.learner.model.Base.Config, r.learner.trainable
	pairs, err := train.Pairs(cfg, trainable)
	if err != nil {
		return err
	}
	rank := trainable.Rank / (len(r.exact) - 1)
	at := func(phase int) block { return block{pairs, phase * rank, (phase + 1) * rank} }
	var earlier [][][]float32
	for phase := range l.phase {
		earlier = append(earlier, at(phase).first(r.params))
	}
	penalty, err := train.NewOrthogonal(cfg, trainable, r.settings.Strength, earlier)
	l.options.Penalties = append(l.options.Penalties, penalty, at(l.phase))
	return err
}
