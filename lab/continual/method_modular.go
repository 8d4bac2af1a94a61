package continual

import (
	"context"
	"slices"

	"nightshift/update/train"
)

// modular are methods that change different parameters for different tasks.
func modular() []Method {
	return []Method{
		{
			Key: "adapter-oracle", Name: "adapter a task, told which", Family: Modular, Says: "an adapter of its own for each task, and somebody who knows which to use", tasks: true,
			prepare: fresh, finish: keep,
			choose: func(r *run, column int, _ train.Sequence) int { return min(column, len(r.kept)-1) },
		},
		{
			Key: "adapter-router", Name: "adapter a task, routed", Family: Modular, Says: "an adapter of its own for each task, chosen by the words of the question", tasks: true,
			prepare: fresh, finish: keep,
			choose: func(r *run, _ int, q train.Sequence) int { return r.router.route(q.Tokens[:q.Prompt]) },
		},
		{
			Key: "o-lora", Name: "O-LoRA", Family: Modular, Says: "a block of factors of its own for each task, added to those before and orthogonal to what they read", tasks: true, blocks: true,
			Settings: Settings{Strength: 2.5}, Grid: strengths(Settings{}, 0.5, 2.5, 10),
			prepare: orthogonal,
		},
	}
}

// fresh begins an adapter anew.
func fresh(_ context.Context, r *run, _ *lesson) error {
	copy(r.params, r.begin)
	return nil
}

// keep keeps the adapter of a task, and learns which words its questions have.
func keep(_ context.Context, r *run, l *lesson) error {
	r.kept = append(r.kept, slices.Clone(r.params))
	r.router.learn(l.fresh)
	return nil
}
