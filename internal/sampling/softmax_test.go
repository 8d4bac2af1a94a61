package sampling

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// exact is the log-probability of a token in float64.
func exact(logits []float32, id int32) float64 {
	top, sum := math.Inf(-1), 0.0
	for _, v := range logits {
		top = max(top, float64(v))
	}
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	return float64(logits[id]) - top - math.Log(sum)
}

// normal makes logits with a standard deviation; some are forbidden.
func normal(seed uint64, n int, deviation float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 6))
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64()*deviation - 40)
		if rng.IntN(1000) == 0 {
			logits[i] = -inf
		}
	}
	return logits
}

// TestTermAccuracy states the largest error over the exponents that occur.
func TestTermAccuracy(t *testing.T) {
	worst := 0.0
	for i := range 300_000 {
		y := float32(lowest * float64(i) / 299_999)
		want := math.Exp2(float64(y))
		worst = max(worst, math.Abs(float64(term(y, 0, 1))-want)/want)
	}
	t.Logf("the largest relative error is %.2g", worst)
	if worst > 4e-7 {
		t.Errorf("the largest relative error is %.2g, want at most 4e-7", worst)
	}
	if term(7, 7, 3) != 1 || term(-inf, 3, 1) != 0 || term(-126, 0, 1) != 0 {
		t.Errorf("the top weighs %v, what is forbidden %v, what is below the lowest %v", term(7, 7, 3), term(-inf, 3, 1), term(-126, 0, 1))
	}
}

// TestLogProbAccuracy compares log-probabilities with float64 over a large vocabulary, flat and peaked.
func TestLogProbAccuracy(t *testing.T) {
	worst := 0.0
	for seed, deviation := range []float64{0, 0.01, 1, 3, 10, 50, 1000} {
		logits := normal(uint64(seed), 50257, deviation)
		s := New(Params{Temperature: 1, Seed: 3}, len(logits))
		for step := range uint64(10) {
			id, got, err := s.Pick(logits, step)
			if err != nil {
				t.Fatal(err)
			}
			want := exact(logits, id)
			off := math.Abs(float64(got)-want) - math.Abs(want)*0x1p-24 // less what float32 cannot hold
			worst = max(worst, off)
			if off > 1e-6 {
				t.Errorf("deviation %v: log-probability %v, want %v", deviation, got, want)
			}
			scored, _, err := Score(logits, id)
			if err != nil || math.Float32bits(scored) != math.Float32bits(got) {
				t.Errorf("deviation %v: picked with %v, scored %v (%v)", deviation, got, scored, err)
			}
		}
	}
	t.Logf("the largest error beyond float32's is %.2g", worst)
}

// TestVectorsAreTheSame compares the passes for the processor's vectors with those in Go, to the bit, for all lengths of rows.
func TestVectorsAreTheSame(t *testing.T) {
	defer func() { widest = true }()
	for _, widest = range []bool{true, false} {
		testVectors(t)
	}
}

func testVectors(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	for n := 1; n < 700; n += 1 + n/9 {
		logits := normal(rng.Uint64(), n, 1+20*rng.Float64())
		logits[rng.IntN(n)] = 200 // something finite
		var r row
		if err := r.scan(logits); err != nil {
			t.Fatal(err)
		}
		peaks := make([]float32, blocks(n))
		if !portablePeaks(logits, peaks) || r.top != 200 {
			t.Fatalf("%d logits: the top is %v", n, r.top)
		}
		scale := scaleOf(0.3 + 2*rng.Float32())
		terms, wantTerms, wantSums := make([]float32, n), make([]float32, n), make([]float32, blocks(n))
		plain := r.weigh(logits, scale, nil)
		if total := r.weigh(logits, scale, terms); total != plain || total < 1 {
			t.Fatalf("%d logits: %v with terms, %v without", n, total, plain)
		}
		portableTerms(logits, r.top, scale, wantSums, wantTerms)
		for b := range peaks {
			if r.peaks[b] != peaks[b] || math.Float32bits(r.sums[b]) != math.Float32bits(wantSums[b]) {
				t.Fatalf("block %d of %d logits: peak %v, sum %x; in Go %v, %x", b, n, r.peaks[b], math.Float32bits(r.sums[b]), peaks[b], math.Float32bits(wantSums[b]))
			}
		}
		for i := range terms {
			if math.Float32bits(terms[i]) != math.Float32bits(wantTerms[i]) {
				t.Fatalf("term %d of %d, of %v: %v, in Go %v", i, n, logits[i], terms[i], wantTerms[i])
			}
		}
		threshold := terms[rng.IntN(n)]
		r.above(terms, threshold)
		portableAbove(terms, threshold, wantSums)
		for b := range wantSums {
			if math.Float32bits(r.sums[b]) != math.Float32bits(wantSums[b]) {
				t.Fatalf("block %d of %d terms from %v on: %v, in Go %v", b, n, threshold, r.sums[b], wantSums[b])
			}
		}
		for _, bad := range []float32{float32(math.NaN()), inf} {
			at := rng.IntN(n)
			kept := logits[at]
			logits[at] = bad
			if err := r.scan(logits); !errors.Is(err, ErrLogits) {
				t.Fatalf("logit %d of %d is %v: %v", at, n, bad, err)
			}
			logits[at] = kept
		}
	}
}

// TestKnownBits holds picks and log-probabilities fixed over releases and processors.
func TestKnownBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	logits := make([]float32, 5000)
	for i := range logits { // sums of uniform numbers: exact on every processor
		logits[i] = float32(rng.Uint32()>>8)/(1<<21) - float32(rng.Uint32()>>8)/(1<<21)
	}
	for _, c := range []struct {
		p    Params
		a    Adjustment
		want string
	}{
		{Params{}, Adjustment{}, "3419:c08ff8f6 3419:c08ff8f6 3419:c08ff8f6 3419:c08ff8f6 "},
		{Params{Temperature: 1, Seed: 5}, Adjustment{}, "1035:c0de6ab8 3521:c0bed01b 3416:c0a358ae 4381:c0a068d0 "},
		{Params{Temperature: 0.8, Seed: 5}, Adjustment{}, "1046:c09ac2ae 3513:c0a47258 3416:c0a358ae 4381:c0a068d0 "},
		{Params{Temperature: 0.8, TopP: 0.9, Seed: 5}, Adjustment{}, "1046:c09ac2ae 3513:c0a47258 3416:c0a358ae 4381:c0a068d0 "},
		{Params{Temperature: 0.8, TopK: 40, Seed: 5}, Adjustment{}, "1674:c096698d 4801:c0a1f4cb 1636:c0a191ab 3874:c0a6f60c "},
		{Params{Temperature: 0.8, TopK: 40, TopP: 0.5, MinP: 0.1, Seed: 5}, Adjustment{}, "257:c09477f1 1251:c099e8a8 1251:c099e8a8 3649:c09b6155 "},
		{Params{Temperature: 1.2, MinP: 0.02, Seed: 5}, Adjustment{Repetition: 1.3, Presence: 0.4, Frequency: 0.2}, "1033:c0cff3c7 3539:c0c0bbcd 3410:c0fe8696 4381:c0a068d0 "},
	} {
		s := New(c.p, len(logits))
		s.Adjust(c.a)
		got, text := "", []int32(nil)
		for step := range uint64(4) {
			id, logprob, err := s.PickAfter(logits, []int32{1, 2, 3}, text, step)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, id)
			got += fmt.Sprintf("%d:%08x ", id, math.Float32bits(logprob))
		}
		if got != c.want {
			t.Errorf("%+v %+v: %s, want %s", c.p, c.a, got, c.want)
		}
	}
}

func TestLogarithm(t *testing.T) {
	for i := range 200_000 {
		x := math.Exp(float64(i) / 200_000 * 20)
		if got, want := logarithm(x), math.Log(x); math.Abs(got-want) > 1e-15*max(1, want) {
			t.Fatalf("logarithm(%v) = %v, want %v", x, got, want)
		}
	}
	if logarithm(1) != 0 {
		t.Errorf("logarithm(1) = %v", logarithm(1))
	}
}

func TestSelectFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for range 2000 {
		pool := make([]candidate, 1+rng.IntN(60))
		for i := range pool {
			pool[i] = candidate{logit: float32(rng.IntN(1 + rng.IntN(50))), id: int32(i)}
		}
		rng.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
		k := rng.IntN(len(pool) + 1)
		selectFirst(pool, k)
		for _, in := range pool[:k] {
			for _, out := range pool[k:] {
				if out.likelier(in) {
					t.Fatalf("the %d likeliest of %v: %v is missing", k, pool, out)
				}
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	text := make([]int32, 400)
	for i := range text {
		text[i] = int32(i * 7 % 300)
	}
	for _, deviation := range []float64{3, 6} {
		logits := normal(5, 50257, deviation)
		for _, c := range []struct {
			name string
			p    Params
			a    Adjustment
		}{
			{"greedy", Params{}, Adjustment{}},
			{"temperature 1", Params{Temperature: 1}, Adjustment{}},
			{"temperature 0.8", Params{Temperature: 0.8}, Adjustment{}},
			{"top_p 0.9", Params{Temperature: 0.8, TopP: 0.9}, Adjustment{}},
			{"top_k 40", Params{Temperature: 0.8, TopK: 40}, Adjustment{}},
			{"min_p 0.05", Params{Temperature: 0.8, MinP: 0.05}, Adjustment{}},
			{"penalties", Params{Temperature: 0.8}, Adjustment{Repetition: 1.1, Presence: 0.5, Frequency: 0.5}},
			{"penalties and top_p", Params{Temperature: 0.8, TopP: 0.9}, Adjustment{Repetition: 1.1, Presence: 0.5, Frequency: 0.5}},
		} {
			b.Run(fmt.Sprintf("deviation %g/%s", deviation, c.name), func(b *testing.B) {
				s := New(c.p, len(logits))
				s.Adjust(c.a)
				_, _, _ = s.PickAfter(logits, text[:200], text[200:], 0)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					_, _, _ = s.PickAfter(logits, text[:200], text[200:], uint64(i))
				}
			})
		}
	}
}

func BenchmarkLikeliest(b *testing.B) {
	logits := normal(5, 50257, 3)
	s := New(Params{}, len(logits))
	dst := make([]Choice, 0, 20)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Likeliest(dst[:0], logits, 20)
	}
}
