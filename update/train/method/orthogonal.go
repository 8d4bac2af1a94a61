package method

import (
	"context"
	"errors"
	"fmt"

	"nightshift/update/train"
)

// orthogonal is O-LoRA (Wang et al. 2023): a run learns a block of its own beside the factors of those before, which stay, and keeps what it
// reads apart from what these read.
var orthogonal = Method{
	Key: "orthogonal", Family: Modular,
	on: func(s Settings) bool { return s.Orthogonal > 0 },
	check: func(s Settings) error {
		if !(s.Orthogonal >= 0) || s.Orthogonal > 0 && s.OrthogonalRank < 1 {
			return fmt.Errorf("orthogonal blocks of strength %g in rank %d: the first must not be negative, the second must be at least 1", s.Orthogonal, s.OrthogonalRank)
		}
		if s.Orthogonal > 0 && (s.Slow > 0 || s.Carries()) {
			return errors.New("orthogonal blocks cannot be joined with slow, si or ewc_keep: what these carry on is of factors that a block does not go on from")
		}
		return nil
	},
	prepare: func(_ context.Context, r *Run) error {
		if r.Rank == r.Trainable.Rank { // nothing lies beside it
			return nil
		}
		pairs, err := train.Pairs(r.Base.Config, r.Trainable)
		if err != nil {
			return err
		}
		var earlier [][][]float32
		if r.Kept > 0 {
			earlier = [][][]float32{train.Block{Pairs: pairs, To: r.Kept}.A(r.Start)}
		}
		own := train.Block{Pairs: pairs, From: r.Kept, To: r.Kept + r.Rank}
		penalty, err := train.NewOrthogonal(r.Base.Config, r.Trainable, r.Orthogonal, earlier, own)
		if err != nil {
			return err
		}
		r.Options.Block, r.Options.Penalties = &own, append(r.Options.Penalties, penalty)
		return nil
	},
}
