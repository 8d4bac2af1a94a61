package sampling

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var inf = float32(math.Inf(1))

// reference returns the probabilities that Params document, computed the slow way.
func reference(logits []float32, p Params) []float64 {
	order := make([]int, len(logits))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return 0
	})
	probs := make([]float64, len(logits))
	if p.Temperature == 0 {
		probs[order[0]] = 1
		return probs
	}
	weights := make([]float64, len(order))
	for i, id := range order {
		weights[i] = math.Exp((float64(logits[id]) - float64(logits[order[0]])) / float64(p.Temperature))
	}
	if p.TopK > 0 && p.TopK < len(weights) {
		weights = weights[:p.TopK]
	}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if p.TopP > 0 && p.TopP < 1 {
		cum := 0.0
		for i, w := range weights {
			if cum += w; cum >= float64(p.TopP)*sum {
				weights = weights[:i+1]
				break
			}
		}
	}
	sum = 0
	for i, w := range weights {
		if w < float64(p.MinP) {
			weights = weights[:i]
			break
		}
		sum += w
	}
	for i, w := range weights {
		probs[order[i]] = w / sum
	}
	return probs
}

// drawn returns the share of each id over a fine grid of u.
func drawn(s *Sampler, logits []float32, grid int) []float64 {
	_ = s.row.scan(logits)
	best := s.row.best(logits)
	share := make([]float64, len(logits))
	for i := range grid {
		if s.params.Temperature == 0 {
			share[best] += 1 / float64(grid)
			continue
		}
		share[s.draw(logits, (float64(i)+0.5)/float64(grid), 0)] += 1 / float64(grid)
	}
	return share
}

func TestExhaustiveSmall(t *testing.T) {
	levels := []float32{-inf, -1, 0, 1.5}
	var rows [][]float32
	for a := range levels {
		for b := range levels {
			for c := range levels {
				for d := range levels {
					if a+b+c+d > 0 {
						rows = append(rows, []float32{levels[a], levels[b], levels[c], levels[d]})
					}
				}
			}
		}
	}
	const grid = 40
	for _, temperature := range []float32{0, 0.5, 1, 3} {
		for _, topK := range []int{0, 1, 2, 3, 4, 9} {
			for _, topP := range []float32{0, 0.3, 0.7, 0.95, 1} {
				for _, minP := range []float32{0, 0.2, 1} {
					p := Params{Temperature: temperature, TopK: topK, TopP: topP, MinP: minP}
					s := New(p, 4)
					for _, logits := range rows {
						got, want := drawn(s, logits, grid), reference(logits, p)
						for id := range got {
							if math.Abs(got[id]-want[id]) > 1.5/grid {
								t.Fatalf("%+v of %v: token %d is drawn with probability %.4f, want %.4f", p, logits, id, got[id], want[id])
							}
						}
					}
				}
			}
		}
	}
}

func TestRandomRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		logits := make([]float32, 1+rng.IntN(600))
		for i := range logits {
			logits[i] = float32(rng.NormFloat64() * 4)
			if rng.IntN(5) == 0 {
				logits[i] = float32(rng.IntN(3)) // ties
			}
		}
		p := Params{Temperature: 0.2 + 2*rng.Float32(), TopK: rng.IntN(2) * rng.IntN(50), TopP: rng.Float32(), MinP: float32(rng.IntN(2)) * 0.2 * rng.Float32(), Seed: rng.Uint64()}
		want := reference(logits, p)
		s := New(p, len(logits))
		for step := range uint64(50) {
			id, _, err := s.Pick(logits, step)
			if err != nil || want[id] == 0 {
				t.Fatalf("%+v over %d tokens: picked %d which the cuts exclude (%v)", p, len(logits), id, err)
			}
		}
		// The whole set is kept: at the last u, the last token of the order can be reached.
		if p.TopK == 0 && p.TopP == 0 {
			continue
		}
		_, _, _ = s.Pick(logits, 0)
		kept := 0
		for _, w := range want {
			if w > 0 {
				kept++
			}
		}
		if len(s.pool) != kept {
			t.Fatalf("%+v over %d tokens: kept %d, want %d", p, len(logits), len(s.pool), kept)
		}
	}
}

// TestChiSquared compares frequencies of picks over steps and over seeds with the exact probabilities.
func TestChiSquared(t *testing.T) {
	logits := []float32{0.1, 2, -1, 0.7, 0.7, -3, 1.2, -inf, 0, -0.4}
	const draws = 12000
	for i, p := range []Params{
		{Temperature: 1}, {Temperature: 0.7}, {Temperature: 2}, {Temperature: 1, TopK: 4}, {Temperature: 1.5, TopP: 0.8},
		{Temperature: 1, TopK: 5, TopP: 0.9, MinP: 0.1},
	} {
		for _, over := range []string{"steps", "seeds"} {
			t.Run(fmt.Sprintf("%d %s", i, over), func(t *testing.T) {
				counts := make([]float64, len(logits))
				for n := range uint64(draws) {
					p.Seed = 7
					step := n
					if over == "seeds" {
						p.Seed, step = n, 3
					}
					s := New(p, len(logits))
					id, _, err := s.Pick(logits, step)
					if err != nil {
						t.Fatal(err)
					}
					counts[id]++
				}
				chi, cells := 0.0, 0
				for id, prob := range reference(logits, p) {
					if prob == 0 {
						if counts[id] > 0 {
							t.Fatalf("token %d was drawn, its probability is 0", id)
						}
						continue
					}
					cells++
					chi += (counts[id] - prob*draws) * (counts[id] - prob*draws) / (prob * draws)
				}
				// 99.99 % quantiles of χ² for 1 to 9 degrees of freedom; the draws are fixed, so this cannot flake.
				limits := []float64{0, 15.1, 18.4, 21.1, 23.5, 25.7, 27.9, 29.9, 31.8, 33.7}
				if limit := limits[cells-1]; chi > limit {
					t.Errorf("χ² = %.1f over %d cells, want at most %.1f", chi, cells, limit)
				}
			})
		}
	}
}

func TestGreedy(t *testing.T) {
	for _, test := range []struct {
		logits []float32
		want   int32
	}{
		{[]float32{1, 3, 3, 2}, 1},
		{[]float32{0, 0, 0}, 0},
		{[]float32{-inf, -5, -inf}, 1},
		{[]float32{-1}, 0},
	} {
		id, _, err := New(Params{Seed: 99}, len(test.logits)).Pick(test.logits, 5)
		if err != nil || id != test.want {
			t.Errorf("greedy pick of %v: %d, %v; want %d", test.logits, id, err, test.want)
		}
	}
}

func TestLogProbIsUnmodified(t *testing.T) {
	logits := []float32{0.3, -2, 1.7, 4, 3.9}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v))
	}
	for _, p := range []Params{{}, {Temperature: 0.3, Seed: 4}, {Temperature: 5, TopK: 4}, {Temperature: 2, TopP: 0.9, MinP: 0.01}} {
		s := New(p, len(logits))
		for step := range uint64(40) {
			id, logprob, err := s.Pick(logits, step)
			want := float64(logits[id]) - math.Log(sum)
			if err != nil || math.Abs(float64(logprob)-want) > 1e-6 {
				t.Fatalf("%+v: log-probability of token %d is %v, want %v (%v)", p, id, logprob, want, err)
			}
		}
	}
}

func TestDependsOnRequestAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	logits := make([]float32, 200)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64())
	}
	p := Params{Temperature: 1, TopP: 0.97, Seed: 12}
	forward, backward := make([]int32, 64), make([]int32, 64)
	s := New(p, len(logits))
	for i := range forward {
		forward[i], _, _ = s.Pick(logits, uint64(i))
	}
	other := New(Params{Temperature: 2, TopK: 3}, len(logits))
	for i := len(backward) - 1; i >= 0; i-- {
		_, _, _ = other.Pick(logits, 1)
		other.Reset(p)
		backward[i], _, _ = other.Pick(logits, uint64(i))
		other.Reset(Params{Temperature: 0.1})
	}
	if !slices.Equal(forward, backward) {
		t.Errorf("picks depend on their order:\n%v\n%v", forward, backward)
	}
	p.Seed++
	s.Reset(p)
	same := 0
	for i := range forward {
		if id, _, _ := s.Pick(logits, uint64(i)); id == forward[i] {
			same++
		}
	}
	if same > 16 {
		t.Errorf("another seed repeats %d of %d picks", same, len(forward))
	}
}

func TestRefusals(t *testing.T) {
	nan := float32(math.NaN())
	for _, logits := range [][]float32{{0, nan, 1}, {nan, nan, nan}, {0, inf, 1}, {-inf, -inf, -inf}} {
		for _, p := range []Params{{}, {Temperature: 1}, {Temperature: 1, TopK: 2}, {Temperature: 1, TopP: 0.5}} {
			if _, _, err := New(p, 3).Pick(logits, 0); !errors.Is(err, ErrLogits) {
				t.Errorf("%+v of %v: error %v, want ErrLogits", p, logits, err)
			}
		}
	}
	if _, _, err := New(Params{}, 3).Pick([]float32{1, 2}, 0); err == nil {
		t.Error("two logits for a vocabulary of three were accepted")
	}
	for _, p := range []Params{{Temperature: -1}, {Temperature: nan}, {Temperature: inf}, {TopP: -0.1}, {TopP: 1.1}, {TopP: nan}, {MinP: 2}, {TopK: -1}} {
		if p.Check() == nil {
			t.Errorf("%+v was accepted", p)
		}
		if _, _, err := New(p, 1).Pick([]float32{1}, 0); err == nil {
			t.Errorf("%+v picked a token", p)
		}
	}
	if _, _, err := New(Params{}, 0).Pick(nil, 0); err == nil {
		t.Error("an empty vocabulary was accepted")
	}
}

func TestExtremes(t *testing.T) {
	logits := []float32{-math.MaxFloat32, 0, math.MaxFloat32, 5}
	for _, temperature := range []float32{math.SmallestNonzeroFloat32, 1, math.MaxFloat32} {
		for _, p := range []Params{{}, {TopK: 2}, {TopP: 0.5}, {MinP: 1}} {
			p.Temperature = temperature
			if temperature == math.MaxFloat32 && p == (Params{Temperature: temperature}) {
				continue // nearly uniform over what is left
			}
			id, logprob, err := New(p, 4).Pick(logits, 1)
			if err != nil || logprob != logprob || (temperature <= 1 && id != 2) {
				t.Errorf("%+v: picked %d (%v), %v", p, id, logprob, err)
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	logits := make([]float32, 5000)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range logits {
		logits[i] = float32(rng.NormFloat64() * 3)
	}
	for _, p := range []Params{{}, {Temperature: 1}, {Temperature: 1, TopK: 40}, {Temperature: 1, TopP: 0.95}, {Temperature: 1, TopK: 40, TopP: 0.9, MinP: 0.02}} {
		s := New(p, len(logits))
		step := uint64(0)
		if n := testing.AllocsPerRun(50, func() { step++; _, _, _ = s.Pick(logits, step) }); n != 0 {
			t.Errorf("%+v: %v allocations a pick, want none", p, n)
		}
	}
}

func TestPhiloxKnownAnswers(t *testing.T) {
	// kat_vectors of Random123 1.14, philox2x64 with 10 rounds.
	for _, test := range [][5]uint64{
		{0, 0, 0, 0xca00a0459843d731, 0x66c24222c9a845b5},
		{^uint64(0), ^uint64(0), ^uint64(0), 0x65b021d60cd8310f, 0x4d02f3222f86df20},
		{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x0a5e742c2997341c, 0xb0f883d38000de5d},
	} {
		a, b := philox(test[0], test[1], test[2])
		if a != test[3] || b != test[4] {
			t.Errorf("philox(%x) = %x %x, want %x %x", test[:3], a, b, test[3], test[4])
		}
	}
}
