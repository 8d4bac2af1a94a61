package method

import (
	"context"

	"nightshift/update/train"
)

// orthogonal is O-LoRA (Wang et al. 2023): a run learns a block of its own beside the factors of those before, which stay, and keeps what it
// reads apart from what these read.
var orthogonal = Method{
	Key: "orthogonal", Family: Modular,
	on: func(s Settings) bool { return s.Orthogonal > 0 },
	check: func(s Settings, report report) {
		if s.Orthogonal > 0 && (s.Slow > 0 || s.SI > 0 || s.EWCKeep > 0) { // what these carry on is of factors that a block does not go on from
			report("orthogonal", "want 0, or slow, si and ewc_keep 0")
		}
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
