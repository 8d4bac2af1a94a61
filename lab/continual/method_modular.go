package continual

import (
	"slices"

	"nightshift/update/train"
	"nightshift/update/train/method"
)

// modular are methods that change different parameters for different tasks.
func modular() []Method {
	return []Method{
		{
			Key: "adapter-oracle", Name: "adapter a task, told which", Family: method.Modular, Says: "an adapter of its own for each task, and somebody who knows which to use", tasks: true,
			prepare: fresh, finish: keep,
			choose: func(r *run, column int, _ train.Sequence) int { return min(column, len(r.kept)-1) },
		},
		{
			Key: "adapter-router", Name: "adapter a task, routed", Family: method.Modular, Says: "an adapter of its own for each task, chosen by the words of the question", tasks: true,
			prepare: fresh, finish: keep,
			choose: func(r *run, _ int, q train.Sequence) int { return r.router.route(q.Tokens[:q.Prompt]) },
		},
		tried(Method{Key: "o-lora", Name: "O-LoRA", Says: "a block of factors of its own for each task, added to those before and orthogonal to what they read", tasks: true, blocks: true},
			1, func(v float64) Settings { return night(method.Settings{Orthogonal: v, OrthogonalRank: uncut}) }, 0.5, 2.5, 10),
	}
}

// uncut is a rank of which nothing is cut off: every task's block stays.
const uncut = 1 << 10

// fresh begins an adapter anew.
func fresh(r *run, f *method.Run) error {
	copy(f.Start, r.begin)
	return nil
}

// keep keeps the adapter of a task, and learns which words its questions have.
func keep(r *run, f *method.Run) error {
	r.kept = append(r.kept, slices.Clone(r.params))
	r.router.learn(f.Fresh)
	return nil
}
