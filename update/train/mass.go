package train

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// sketchRank is how many random directions the gradient by a weight is seen in. Over the columns and examples that are summed the
// estimate's relative deviation is √(2/rank) at worst, where everything lies in one direction.
const sketchRank = 32

// Masses measures how much of what examples ask of a model lies in each of its linears: for each target the mean over the sequences
// of ‖G‖², G [in,out] the gradient of a sequence's mean loss, in nats per token, by the linear's weight. That is the trace of the
// empirical Fisher, by which Sung et al. 2021 (arXiv:2111.09839) choose what to train.
//
// No matrix of a weight's size is made. An adapter with B = 0 changes nothing, the gradient of its A is zero, and that of its B is
// AᵀG: with the entries of A independent, of mean 0 and variance v, E‖AᵀG‖² = rank·v·‖G‖² (Johnson & Lindenstrauss 1984). The seed
// draws A. One forward and backward pass a sequence; sequences' weights do not count.
func Masses(ctx context.Context, base Base, targets []arch.Target, list []Sequence, columns, threads int, seed uint64) ([]float64, error) {
	trainable := graphs.Trainable{Targets: targets, Rank: sketchRank, Scale: 1}
	pairs, err := Pairs(base.Config, trainable)
	if err != nil {
		return nil, err
	}
	n, _ := sizes(pairs)
	params := make([]float32, n)
	random := rand.New(rand.NewPCG(seed, 0x6d617373)) //nolint:gosec // reproducible, not secret
	for _, p := range pairs {
		for i := range p.In * p.Rank {
			params[p.A+i] = float32(math.Sqrt(3) * (2*random.Float64() - 1)) // variance 1
		}
	}
	masses, err := squares(ctx, base, trainable, pairs, params, list, columns, threads)
	for i := range masses {
		masses[i] /= sketchRank
	}
	return masses, err
}

// squares is the mean over the sequences of the squared norm of the gradient by each linear's B.
func squares(ctx context.Context, base Base, trainable graphs.Trainable, pairs []Pair, params []float32, list []Sequence, columns, threads int) ([]float64, error) {
	s, err := NewSession(base, trainable, threads)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	copy(s.Parameters(), params)
	sums, count := make([]float64, len(pairs)), 0.0
	for i, q := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := Pack([]Sequence{{Tokens: q.Tokens, Prompt: q.Prompt}}, 1, columns)[0]
		if b.Positions == 0 {
			continue
		}
		_, grads, err := s.Gradient(b, 1/float32(b.Positions), nil)
		if err != nil {
			return nil, fmt.Errorf("measure gradient mass on sequence %d: %w", i+1, err)
		}
		for n, p := range pairs {
			for _, g := range grads[p.B:][:p.Rank*p.Out] {
				sums[n] += float64(g) * float64(g)
			}
		}
		count++
	}
	for n := range sums {
		if sums[n] /= count; !finite(sums[n]) {
			return nil, fmt.Errorf("measure gradient mass: that of linear %d is %g over %g sequences with loss", n+1, sums[n], count)
		}
	}
	return sums, nil
}

// Densest chooses linears under a budget of trainable parameters, of which each has its cost: greedily by mass for each parameter,
// of equals the first, passing over what does not fit any more. It returns their indices, ascending; none where nothing fits.
func Densest(masses []float64, costs []int, budget int) []int {
	order := make([]int, len(masses))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(masses[b]/float64(costs[b]), masses[a]/float64(costs[a]))
	})
	var chosen []int
	for _, i := range order {
		if costs[i] <= budget {
			chosen, budget = append(chosen, i), budget-costs[i]
		}
	}
	slices.Sort(chosen)
	return chosen
}
