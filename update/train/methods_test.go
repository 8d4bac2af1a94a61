package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// old are sequences that contradict lesson a after the same prompt, and repeat nothing of the others.
var old = []Sequence{{ID: "o", Tokens: []int32{1, 2, 20, 21, 22}, Prompt: 2}, {ID: "p", Tokens: []int32{30, 31, 32, 33}, Prompt: 2}}

// fitted fits lessons with the options that change makes of the common ones, and returns the parameters and the steps.
func fitted(t *testing.T, next Source, change func(s *Session, o *Options)) ([]float32, []Step) {
	t.Helper()
	base, trainable := tiny(t)
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begin(s)
	opt := options
	opt.Steps = 30
	if change != nil {
		change(s, &opt)
	}
	var steps []Step
	if err := Fit(t.Context(), s, next, opt, func(p Step) error { steps = append(steps, p); return nil }); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(s.Parameters()), steps
}

// TestFitWithoutMethodsIsPlain spells out what Fit does without methods and expects the same bits of it.
func TestFitWithoutMethodsIsPlain(t *testing.T) {
	got, _ := fitted(t, Mixed(lessons, old, 0.5), func(_ *Session, o *Options) { o.Decay = 0.01 })
	base, trainable := tiny(t)
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begin(s)
	random := rand.New(rand.NewPCG(options.Seed, 0x6e69676874))
	schedule := Schedule{Rate: options.Rate, Warmup: 3, Steps: 30}
	optimizer, next := NewAdamW(len(s.params), 0.01), Mixed(lessons, old, 0.5)
	for step := range 30 {
		var batches []Batch
		weight := 0.0
		for range options.Micro {
			batches = append(batches, Pack(next(random, options.Rows, options.Columns), options.Rows, options.Columns)...)
		}
		for _, b := range batches {
			for _, w := range b.Weights {
				weight += float64(w)
			}
		}
		sum := make([]float32, len(s.params))
		for _, b := range batches {
			_, grads, err := s.Gradient(b, float32(1/weight), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range grads {
				sum[i] += g
			}
		}
		ClipNorm(sum, options.Clip)
		optimizer.Step(s.params, sum, schedule.At(step))
	}
	if !slices.Equal(got, s.params) {
		t.Error("Fit without methods gives other bits than the plain loop")
	}
}

// everyMethod turns every method on.
func everyMethod(t *testing.T) func(s *Session, o *Options) {
	return func(s *Session, o *Options) {
		start := slices.Clone(s.Parameters())
		si, err := NewSI(start, 1e-3)
		if err != nil {
			t.Fatal(err)
		}
		quadratic, err := NewQuadratic(0.01, nil, start)
		if err != nil {
			t.Fatal(err)
		}
		if o.Sparse, err = NewL1(1e-3, nil); err != nil {
			t.Fatal(err)
		}
		o.Penalties, o.Observers = []Penalty{quadratic}, []Observer{si}
		o.Projection = &Projection{Source: Shuffled(old), Micro: 1}
		o.Rounds = Rounds{Length: 4, Share: 0.8}
	}
}

// TestMethodsAreReproducible turns methods on one by one, and all together: the parameters are the same bit for bit when it is
// done again, and not those without.
func TestMethodsAreReproducible(t *testing.T) {
	without, plain := fitted(t, Shuffled(lessons), nil)
	all := everyMethod(t)
	for name, change := range map[string]func(s *Session, o *Options){
		"penalty": func(s *Session, o *Options) {
			all(s, o)
			o.Sparse, o.Observers, o.Projection, o.Rounds = nil, nil, nil, Rounds{}
		},
		"sparse": func(s *Session, o *Options) {
			all(s, o)
			o.Penalties, o.Observers, o.Projection, o.Rounds = nil, nil, nil, Rounds{}
		},
		"projection": func(s *Session, o *Options) {
			all(s, o)
			o.Penalties, o.Observers, o.Sparse, o.Rounds = nil, nil, nil, Rounds{}
		},
		"rounds": func(s *Session, o *Options) {
			all(s, o)
			o.Penalties, o.Observers, o.Sparse, o.Projection = nil, nil, nil, nil
		},
		"all": all,
	} {
		params, steps := fitted(t, Shuffled(lessons), change)
		again, _ := fitted(t, Shuffled(lessons), change)
		if !slices.Equal(params, again) {
			t.Errorf("%s: the second run gave other parameters", name)
		}
		if slices.Equal(params, without) {
			t.Errorf("%s: it changed nothing", name)
		}
		for i, p := range steps {
			if p.Tokens != plain[i].Tokens {
				t.Errorf("%s: step %d trains on other examples than without", name, i+1)
			}
			if on := name == "penalty" || name == "all"; (p.Penalty != 0) != (on && i > 0) {
				t.Errorf("%s: step %d reports a penalty of %g", name, i+1, p.Penalty)
			}
		}
	}
	// Observers and an average change nothing.
	var average *Average
	params, _ := fitted(t, Shuffled(lessons), func(s *Session, o *Options) {
		var err error
		if average, err = NewAverage(s.Parameters(), 0.9); err != nil {
			t.Fatal(err)
		}
		o.Observers = []Observer{average}
	})
	if !slices.Equal(params, without) || slices.Equal(average.Slow(), params) {
		t.Error("the average changed what is averaged, or is it")
	}
}

// witness checks what observers are promised.
type witness struct {
	t        *testing.T
	session  *Session
	previous []float32
	path     float64 // −Σ g·Δθ
	steps    int
}

func (w *witness) Observe(grads, before, after []float32) {
	if w.steps++; !slices.Equal(before, w.previous) || !slices.Equal(after, w.session.Parameters()) {
		w.t.Errorf("step %d: what is shown is not where the last step ended, or not where this one did", w.steps)
	}
	for i, g := range grads {
		w.path -= float64(g) * (float64(after[i]) - float64(before[i]))
	}
	w.previous = slices.Clone(after)
}

// TestObserversSeeTheLossAlone: along small steps the sum of −g·Δθ is what the loss fell by, though a strong penalty, a
// projection, clipping and a threshold shape the steps.
func TestObserversSeeTheLossAlone(t *testing.T) {
	var w *witness
	one := []Sequence{lessons[0]}
	_, steps := fitted(t, Shuffled(one), func(s *Session, o *Options) {
		everyMethod(t)(s, o)
		quadratic, err := NewQuadratic(1, nil, make([]float32, len(s.Parameters())))
		if err != nil {
			t.Fatal(err)
		}
		o.Penalties, o.Rate, o.Rows, o.Micro, o.Steps = []Penalty{quadratic}, 5e-4, 1, 1, 100
		w = &witness{t: t, session: s, previous: slices.Clone(s.Parameters())}
		o.Observers = []Observer{w}
	})
	fell := steps[0].Loss - steps[len(steps)-1].Loss
	if math.Abs(w.path-fell) > 0.05*math.Abs(fell) || math.Abs(fell) < 0.01 || w.steps != 100 {
		t.Errorf("in %d steps the loss fell by %g, the sum is %g", w.steps, fell, w.path)
	}
}

// lossOf is the mean loss of sequences under given parameters.
func lossOf(t *testing.T, params []float32, list []Sequence) float64 {
	t.Helper()
	base, trainable := tiny(t)
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	copy(s.Parameters(), params)
	var total, n float64
	for _, b := range Pack(list, 2, 16) {
		loss, _, err := s.Gradient(b, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		total, n = total+loss, n+float64(b.Positions)
	}
	return total / n
}

// TestMethodsKeepWhatWasLearned teaches the old sequences, and then the lessons with and without methods: with them more of
// the old is left.
func TestMethodsKeepWhatWasLearned(t *testing.T) {
	taught, _ := fitted(t, Shuffled(old), func(_ *Session, o *Options) { o.Steps = 60 })
	from := func(change func(s *Session, o *Options)) float64 {
		params, _ := fitted(t, Shuffled(lessons), func(s *Session, o *Options) {
			copy(s.Parameters(), taught)
			if change != nil {
				change(s, o)
			}
		})
		return lossOf(t, params, old)
	}
	plain := from(nil)
	conflicts := 0
	for name, kept := range map[string]float64{
		"L2-SP": from(func(_ *Session, o *Options) {
			q, err := NewQuadratic(0.5, nil, taught)
			if err != nil {
				t.Fatal(err)
			}
			o.Penalties = []Penalty{q}
		}),
		"A-GEM": from(func(_ *Session, o *Options) { o.Projection = &Projection{Source: Shuffled(old), Micro: 2} }),
	} {
		if kept > 0.8*plain {
			t.Errorf("%s: the loss on what was learned first is %g, without it %g", name, kept, plain)
		}
	}
	_, steps := fitted(t, Shuffled(lessons), func(s *Session, o *Options) {
		copy(s.Parameters(), taught)
		o.Projection = &Projection{Source: Shuffled(old), Micro: 2}
	})
	for _, p := range steps {
		if p.Conflict {
			conflicts++
		}
	}
	if conflicts == 0 {
		t.Error("no step was projected, though the tasks contradict each other")
	}
}

// TestFitIsSparse: parameters that the threshold catches are exactly zero, and the report counts them.
func TestFitIsSparse(t *testing.T) {
	params, steps := fitted(t, Shuffled(lessons), func(_ *Session, o *Options) {
		l, err := NewL1(0.8, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.Sparse = l
	})
	zeros := 0
	for _, p := range params {
		if math.Float32bits(p) == 0 {
			zeros++
		}
	}
	share, last := float64(zeros)/float64(len(params)), steps[len(steps)-1]
	if share != last.Sparsity || share < 0.1 || share > 0.99 || last.Loss > 0.7*steps[0].Loss {
		t.Errorf("%d of %d parameters are zero, reported %g; the loss went from %g to %g", zeros, len(params), last.Sparsity, steps[0].Loss, last.Loss)
	}
}

// TestRoundsInterpolate: a round as long as the run moves the parameters by its share of the whole way.
func TestRoundsInterpolate(t *testing.T) {
	var start []float32
	free, _ := fitted(t, Shuffled(lessons), func(s *Session, _ *Options) { start = slices.Clone(s.Parameters()) })
	held, _ := fitted(t, Shuffled(lessons), func(_ *Session, o *Options) { o.Rounds = Rounds{Length: 100, Share: 0.25} })
	Interpolate(free, start, 0.25)
	if !slices.Equal(free, held) {
		t.Error("one long round is not an interpolation")
	}
	whole, _ := fitted(t, Shuffled(lessons), func(_ *Session, o *Options) { o.Rounds = Rounds{Length: 7, Share: 1} })
	plain, _ := fitted(t, Shuffled(lessons), nil)
	near(t, "share 1", whole, plain, 1e-5)
}

// TestRoundsBeginWhereTheLastOneEnded: against a constant gradient a step of Adam moves every parameter by the learning rate, and
// rounds of two steps keep a quarter of what both move.
func TestRoundsBeginWhereTheLastOneEnded(t *testing.T) {
	var start []float32
	params, steps := fitted(t, nil, func(s *Session, o *Options) {
		start = slices.Clone(s.Parameters())
		o.Rounds, o.Clip, o.Steps = Rounds{Length: 2, Share: 0.25}, 0, 9 // the last round has one step
		o.Objective = func(_ *rand.Rand, grads []float32) (float64, int, error) {
			for i := range grads {
				grads[i] += 3
			}
			return 0, 0, nil
		}
	})
	way := 0.0
	for _, p := range steps {
		way += p.Rate / 4
	}
	for i, p := range params {
		if moved := float64(start[i]) - float64(p); math.Abs(moved-way) > 1e-5 {
			t.Fatalf("parameter %d moved by %g, want %g", i, moved, way)
		}
	}
}

func TestAlternating(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	next := Alternating(lessons, old, 2)
	var kinds strings.Builder
	for range 9 {
		batch := next(r, 1, 12)
		fresh := slices.ContainsFunc(lessons, func(s Sequence) bool { return s.ID == batch[0].ID })
		for _, s := range batch {
			if slices.ContainsFunc(lessons, func(l Sequence) bool { return l.ID == s.ID }) != fresh {
				t.Errorf("a microbatch is mixed: %v", batch)
			}
		}
		if fresh {
			kinds.WriteByte('n')
		} else {
			kinds.WriteByte('o')
		}
	}
	if kinds.String() != "noonoonoo" {
		t.Errorf("microbatches %s", &kinds)
	}
}

// TestFitOfAnObjective minimises ½‖θ−1‖² in place of the loss.
func TestFitOfAnObjective(t *testing.T) {
	params, steps := fitted(t, nil, func(s *Session, o *Options) {
		o.Steps, o.Rate, o.Clip = 200, 0.05, 0
		o.Objective = func(_ *rand.Rand, sum []float32) (float64, int, error) {
			var loss float64
			for i, p := range s.Parameters() {
				sum[i] += p - 1
				loss += float64(p-1) * float64(p-1) / 2
			}
			return loss, 3, nil
		}
	})
	for i, p := range params {
		if math.Abs(float64(p)-1) > 0.02 {
			t.Fatalf("parameter %d is %g", i, p)
		}
	}
	if steps[0].Tokens != 3 || steps[199].Loss > steps[0].Loss/100 {
		t.Errorf("steps from %+v to %+v", steps[0], steps[199])
	}
	// Beside a source its loss and its gradient are added.
	_, plain := fitted(t, Shuffled(lessons), nil)
	_, both := fitted(t, Shuffled(lessons), func(_ *Session, o *Options) {
		o.Clip = 0
		o.Objective = func(_ *rand.Rand, sum []float32) (float64, int, error) {
			for i := range sum {
				sum[i] *= 2
			}
			return 1, 2, nil
		}
	})
	if both[0].Loss != plain[0].Loss+1 || both[0].Tokens != plain[0].Tokens+2 || math.Abs(both[0].Norm-2*plain[0].Norm) > 1e-5*plain[0].Norm {
		t.Errorf("beside a source: %+v, without the objective %+v", both[0], plain[0])
	}
}

func TestFitRefusesMethods(t *testing.T) {
	base, trainable := tiny(t)
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begin(s)
	short, err := NewQuadratic(1, nil, make([]float32, 3))
	if err != nil {
		t.Fatal(err)
	}
	slow, err := NewAverage(make([]float32, 5), 0.5)
	if err != nil {
		t.Fatal(err)
	}
	sparse, err := NewL1(1, make([]float32, 2))
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no gradient")
	for name, c := range map[string]struct {
		change func(o *Options)
		want   string
	}{
		"penalty":    {func(o *Options) { o.Penalties = []Penalty{short} }, "*train.Quadratic is made for 3 parameters"},
		"observer":   {func(o *Options) { o.Observers = []Observer{slow} }, "*train.Average is made for 5 parameters"},
		"sparse":     {func(o *Options) { o.Sparse = sparse }, "*train.L1 is made for 2 parameters"},
		"share":      {func(o *Options) { o.Rounds = Rounds{Length: 3} }, "rounds of 3 steps with share 0"},
		"length":     {func(o *Options) { o.Rounds = Rounds{Length: -1} }, "rounds of -1 steps"},
		"projection": {func(o *Options) { o.Projection = &Projection{Micro: 1} }, "needs a source"},
		"rehearsal": {func(o *Options) {
			o.Projection = &Projection{Source: Shuffled([]Sequence{{Tokens: []int32{1}, Prompt: 1}}), Micro: 1}
		}, "rehearsal gradient: no example carries loss"},
		"objective": {func(o *Options) {
			o.Objective = func(*rand.Rand, []float32) (float64, int, error) { return 0, 0, full }
		}, "fit step 1: objective: no gradient"},
	} {
		opt := options
		c.change(&opt)
		if err := Fit(context.Background(), s, Shuffled(lessons), opt, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := Fit(t.Context(), s, nil, options, nil); err == nil || !strings.Contains(err.Error(), "neither a source nor an objective") {
		t.Errorf("without a source: %v", err)
	}
}
