package continual

import (
	"math"
	"slices"
	"testing"

	"nightshift/update/train"
	"nightshift/update/train/method"
)

// TestOrthogonal: each phase changes its own block and no other, and a strong penalty makes what it reads orthogonal to
// what the blocks before read.
func TestOrthogonal(t *testing.T) {
	opt := small(t, "O-LoRA")
	opt.Budget.Steps = 30
	l, err := newLearner(opt.Model, opt.Budget)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	course := TaskCourse([]int{0, 1}, Final, Test, 1, opt.Sizes)
	overlap := func(strength float64) float64 {
		m := opt.Methods[0]
		var before []float32
		var stages [][]float32
		m.prepare = func(r *run, _ *method.Run) error {
			stages = append(stages, slices.Clone(r.params))
			return nil
		}
		r, err := l.study(t.Context(), m, night(method.Settings{Orthogonal: strength, OrthogonalRank: uncut}), course, 1)
		if err != nil {
			t.Fatal(err)
		}
		stages = append(stages, r.params)
		pairs, err := train.Pairs(opt.Model.Base.Config, r.learner.trainable)
		if err != nil {
			t.Fatal(err)
		}
		rank := opt.Budget.Rank
		for phase := range 2 {
			before = slices.Clone(stages[phase+1])
			for i := range before {
				before[i] -= stages[phase][i]
			}
			changed := func(at int) bool { // whether the factors of a block changed
				own := slices.Clone(before)
				train.Block{Pairs: pairs, From: at * rank, To: (at + 1) * rank}.Only(own)
				return slices.ContainsFunc(own, func(v float32) bool { return v != 0 })
			}
			if !changed(phase) || changed(1-phase) {
				t.Errorf("phase %d changes its block: %t, the other: %t", phase, changed(phase), changed(1-phase))
			}
		}
		one, two := train.Block{Pairs: pairs, To: rank}.A(r.params), train.Block{Pairs: pairs, From: rank, To: 2 * rank}.A(r.params)
		sum := 0.0
		for n, p := range pairs {
			for a := range rank {
				for b := range rank {
					product := 0.0
					for i := range p.In {
						product += float64(one[n][i*rank+a]) * float64(two[n][i*rank+b])
					}
					sum += product * product
				}
			}
		}
		return sum
	}
	free, held := overlap(1e-9), overlap(50)
	if math.IsNaN(held) || held > free/4 {
		t.Errorf("the overlap is %g with the penalty and %g without", held, free)
	}
}
