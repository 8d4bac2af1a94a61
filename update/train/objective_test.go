package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// feedback is some preferences and rated answers for the tiny model.
func feedback(t *testing.T, changedOnly bool) ([]Preference, []Rated) {
	t.Helper()
	var preferences []Preference
	for i, c := range []struct{ prompt, chosen, rejected []int32 }{
		{[]int32{1, 2}, []int32{10, 11, 12, 0}, []int32{10, 11, 13, 0}},
		{[]int32{3, 4, 5}, []int32{14, 0}, []int32{15, 16, 0}},
		{[]int32{6}, []int32{17, 18, 19, 0}, []int32{17, 18}},
	} {
		p, err := NewPreference(string(rune('p'+i)), c.prompt, c.chosen, c.rejected, changedOnly)
		if err != nil {
			t.Fatal(err)
		}
		p.Weight = float64(1 + i)
		preferences = append(preferences, p)
	}
	rated := func(id string, good bool, weight float64, prompt int, tokens ...int32) Rated {
		return Rated{Answer: Answer{Sequence: Sequence{ID: id, Tokens: tokens, Prompt: prompt}}, Good: good, Weight: weight}
	}
	return preferences, []Rated{rated("g", true, 1, 2, 1, 2, 20, 21, 0), rated("b", false, 2, 1, 7, 22, 23, 0), rated("h", true, 0.5, 3, 8, 9, 10, 24, 0)}
}

// every takes all of feedback in every step.
var every = ObjectiveOptions{Preferences: 3, PreferenceShare: 0.7, Beta: 0.3, Smoothing: 0.1,
	Rated: 3, RatedShare: 1.3, RatedLoss: KTOLoss, RatedBeta: 0.4, Desirable: 1, Undesirable: 1.5}

// bench is an objective on the tiny model, whose policy has moved away from the champion.
func bench(t *testing.T, changedOnly bool, opt ObjectiveOptions) (*Objective, *Session) {
	t.Helper()
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	champion := Champion{Params: slices.Clone(s.Parameters())}
	for i := range champion.Params {
		champion.Params[i] += float32(math.Cos(float64(5*i))) / 10
	}
	preferences, rated := feedback(t, changedOnly)
	o, report, err := NewObjective(tinyScorer(t, base, trainable, 2, 12), champion, preferences, rated, opt)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*min(3, opt.Preferences) + 3*min(1, opt.Rated); report.Computed < want || report.Recorded != 0 {
		t.Errorf("references %+v, want at least %d", report, want)
	}
	return o, s
}

// gradient is one step's.
func gradient(t *testing.T, o *Objective, s *Session) (ObjectiveStep, []float32) {
	t.Helper()
	grads := make([]float32, len(s.Parameters()))
	step, err := o.Add(s, rand.New(rand.NewPCG(6, 7)), grads)
	if err != nil {
		t.Fatal(err)
	}
	return step, grads
}

// lossAt is the loss of all of an objective's examples at some parameters, with KTO's baseline held, written down once more
// from the definitions.
func lossAt(t *testing.T, o *Objective, params []float32, baseline float64) float64 {
	t.Helper()
	sum := func(q Sequence) float64 {
		l, err := o.scorer.LogProbs(params, []Sequence{q})
		if err != nil {
			t.Fatal(err)
		}
		return total(l[0])
	}
	loss, weight := 0.0, 0.0
	for _, p := range o.preferences {
		weight += p.Weight
	}
	for _, p := range o.preferences {
		x := o.opt.Beta * (sum(p.Chosen.Sequence) - p.Chosen.Reference - sum(p.Rejected.Sequence) + p.Rejected.Reference)
		loss += o.opt.PreferenceShare * p.Weight / weight * ((1-o.opt.Smoothing)*math.Log(1+math.Exp(-x)) + o.opt.Smoothing*math.Log(1+math.Exp(x)))
	}
	weight = 0
	for _, r := range o.rated {
		weight += r.Weight
	}
	for _, r := range o.rated {
		x, lambda := o.opt.RatedBeta*(sum(r.Sequence)-r.Reference-baseline), o.opt.Desirable
		if !r.Good {
			x, lambda = -x, o.opt.Undesirable
		}
		loss += o.opt.RatedShare * r.Weight / weight * lambda * (1 - 1/(1+math.Exp(-x)))
	}
	return loss
}

// TestGradientsEndToEnd compares the gradients of every objective, through scoring graph, coefficients and training graph, with
// central differences along random directions and along the gradient.
func TestGradientsEndToEnd(t *testing.T) {
	for name, change := range map[string]func(o *ObjectiveOptions){
		"both":     func(*ObjectiveOptions) {},
		"DPO":      func(o *ObjectiveOptions) { o.Rated, o.Smoothing = 0, 0 },
		"KTO":      func(o *ObjectiveOptions) { o.Preferences = 0 },
		"APO-zero": func(o *ObjectiveOptions) { o.Preferences, o.RatedLoss = 0, APOLoss },
	} {
		t.Run(name, func(t *testing.T) {
			opt := every
			change(&opt)
			o, s := bench(t, false, opt)
			for _, r := range o.rated {
				if r.mismatched != nil {
					r.mismatched.Reference -= 5 // so that the baseline is above 0
				}
			}
			step, grads := gradient(t, o, s)
			if opt.Rated > 0 && (step.Baseline > 0) != (opt.RatedLoss == KTOLoss) {
				t.Errorf("baseline %g", step.Baseline)
			}
			if want := lossAt(t, o, s.Parameters(), step.Baseline); !agree(step.Loss, want, 1e-4) {
				t.Errorf("the loss is %g, want %g", step.Loss, want)
			}
			r := rand.New(rand.NewPCG(8, 7))
			for try := range 4 {
				direction := slices.Clone(grads)
				for i := range direction {
					if try > 0 {
						direction[i] += float32(0.01 * r.NormFloat64())
					}
				}
				ClipNorm(direction, 1)
				along := 0.0
				for i, d := range direction {
					along += float64(d) * float64(grads[i])
				}
				const h = 5e-3
				at := func(h float64) float64 {
					params := slices.Clone(s.Parameters())
					for i, d := range direction {
						params[i] += float32(h * float64(d))
					}
					return lossAt(t, o, params, step.Baseline)
				}
				if want := (at(h) - at(-h)) / (2 * h); math.Abs(along-want) > 2e-3*math.Abs(want)+1e-5 || math.Abs(want) < 1e-3 {
					t.Errorf("direction %d: the gradient has %g, differences %g", try, along, want)
				}
			}
		})
	}
}

// TestChangedSuffixAlone: what chosen and rejected begin with makes no difference to DPO, so leaving it out changes neither
// loss nor gradient; it does make a difference to where the work is done.
func TestChangedSuffixAlone(t *testing.T) {
	opt := every
	opt.Rated = 0
	whole, s := bench(t, false, opt)
	suffix, _ := bench(t, true, opt)
	a, want := gradient(t, whole, s)
	b, got := gradient(t, suffix, s)
	if !agree(a.Loss, b.Loss, 1e-4) || !agree(a.Margin, b.Margin, 1e-3) || a.Accuracy != b.Accuracy {
		t.Errorf("whole %+v, suffix %+v", a, b)
	}
	var diff, norm float64
	for i := range want {
		diff += math.Pow(float64(got[i]-want[i]), 2)
		norm += math.Pow(float64(want[i]), 2)
	}
	if norm == 0 || math.Sqrt(diff/norm) > 1e-3 {
		t.Errorf("the gradients differ by %g of %g", math.Sqrt(diff), math.Sqrt(norm))
	}
	if w, s := whole.preferences[0].Chosen.Losses(), suffix.preferences[0].Chosen.Losses(); w != 4 || s != 2 {
		t.Errorf("loss on %d and %d tokens", w, s)
	}
}

// TestAtTheChampion: where nothing has been learned, every reward is 0 and the losses are those of a coin.
func TestAtTheChampion(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	preferences, rated := feedback(t, false)
	o, _, err := NewObjective(tinyScorer(t, base, trainable, 2, 12), Champion{Params: slices.Clone(s.Parameters())}, preferences, rated, every)
	if err != nil {
		t.Fatal(err)
	}
	step, grads := gradient(t, o, s)
	if !agree(step.PreferenceLoss, math.Ln2, 1e-5) || !agree(step.RatedLoss, (1*0.5+2*0.75+0.5*0.5)/3.5, 1e-5) || math.Abs(step.Margin) > 1e-5 || step.Baseline > 1e-5 || step.Tokens < 6+7+7 {
		t.Errorf("step %+v", step)
	}
	if ClipNorm(grads, 0) == 0 {
		t.Error("there is nothing to learn")
	}
}

// TestSwappedPreferences: a preference and its opposite pull in opposite directions, and equally strongly at the champion.
func TestSwappedPreferences(t *testing.T) {
	opt := every
	opt.Rated, opt.Smoothing = 0, 0
	o, s := bench(t, false, opt)
	there, _ := gradient(t, o, s)
	for i := range o.preferences {
		p := &o.preferences[i]
		p.Chosen, p.Rejected = p.Rejected, p.Chosen
	}
	back, _ := gradient(t, o, s)
	if !agree(there.Margin, -back.Margin, 1e-4) || !agree(there.Accuracy+back.Accuracy, 1, 1e-9) || there.Margin == 0 {
		t.Errorf("there %+v, back %+v", there, back)
	}
}

// TestObjectiveLearns: with the objective alone, chosen answers gain on rejected ones, good ones become likelier than they are
// to the champion and bad ones less likely; the same seed gives the same parameters.
func TestObjectiveLearns(t *testing.T) {
	learn := func(seed uint64, next Source) (first, last ObjectiveStep, params []float32) {
		opt := every
		opt.Preferences, opt.Rated = 2, 2
		o, s := bench(t, true, opt)
		reported := 0
		run := Options{Rate: 1e-2, Clip: 1, Rows: 2, Columns: 12, Micro: 1, Steps: 80, Seed: seed, Objective: o.Part(s, func(p ObjectiveStep) {
			if reported++; reported == 1 {
				first = p
			}
		})}
		err := Fit(t.Context(), s, next, run, func(p Step) error {
			if p.Tokens == 0 || p.Step == 1 && next == nil && p.Loss != first.Loss || p.Step != reported {
				t.Errorf("step %+v, of the objective %+v", p, first)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		o.opt.Preferences, o.opt.Rated = 3, 3
		o.preferenceCycle, o.ratedCycle = cycle{}, cycle{}
		last, _ = gradient(t, o, s)
		all, err := o.Measure(s.Parameters())
		if err != nil || !agree(all.Loss, last.Loss, 1e-4) || !agree(all.Margin, last.Margin, 1e-4) || all.Accuracy != last.Accuracy || all.Tokens != last.Tokens {
			t.Errorf("measured %+v (%v), a step with all of them has %+v", all, err, last)
		}
		return first, last, slices.Clone(s.Parameters())
	}
	first, last, params := learn(1, nil)
	if last.Loss > first.Loss/2 || last.Accuracy < 1-1e-9 || last.Margin < 5 || last.GoodReward < 1 || last.BadReward > -1 {
		t.Errorf("from %+v to %+v", first, last)
	}
	if _, _, again := learn(1, nil); !slices.Equal(params, again) {
		t.Error("the same seed gave other parameters")
	}
	if _, _, other := learn(2, nil); slices.Equal(params, other) {
		t.Error("another seed gave the same parameters")
	}
	if _, beside, _ := learn(1, Shuffled(lessons)); beside.Accuracy < 1-1e-9 || beside.Margin < 3 || beside.BadReward > -1 {
		t.Errorf("beside imitation: %+v", beside)
	}
}

// TestPartFails: an error of the objective is Fit's, and a nil report is none.
func TestPartFails(t *testing.T) {
	o, s := bench(t, false, every)
	run := Options{Rate: 1e-2, Rows: 2, Columns: 12, Micro: 1, Steps: 1, Objective: o.Part(s, nil)}
	if err := Fit(t.Context(), s, nil, run, func(Step) error { return nil }); err != nil {
		t.Fatal(err)
	}
	s.Parameters()[0] = float32(math.NaN())
	if err := Fit(t.Context(), s, nil, run, nil); err == nil || !strings.Contains(err.Error(), "fit step 1: objective: the log-probability of") {
		t.Errorf("error %v", err)
	}
}

// TestBadAnswersAreNeverImitated: whatever the model thinks of it, a bad answer's coefficient is not positive and a good one's
// not negative, and mismatched pairs are only read.
func TestBadAnswersAreNeverImitated(t *testing.T) {
	o, _ := bench(t, false, every)
	r := rand.New(rand.NewPCG(10, 7))
	for _, loss := range []string{KTOLoss, APOLoss} {
		o.opt.RatedLoss = loss
		for range 200 {
			d := o.draw(r)
			sums := make([]float64, len(d.sequences()))
			for i := range sums {
				sums[i] = -50 * r.Float64()
			}
			_, c := o.weigh(d, sums)
			for i, rated := range d.rated {
				if v := c[6+i]; rated.Good && v < 0 || !rated.Good && v > 0 {
					t.Fatalf("%s: %s, good %t, has coefficient %g", loss, rated.ID, rated.Good, v)
				}
			}
			if slices.ContainsFunc(c[9:], func(v float64) bool { return v != 0 }) || len(c) != 12 {
				t.Fatalf("coefficients %v", c)
			}
		}
	}
}

// TestWeightsOfItsOwn: without weights good and bad answers count alike.
func TestWeightsOfItsOwn(t *testing.T) {
	opt := every
	opt.Desirable, opt.Undesirable = 0, 0
	o, _ := bench(t, false, opt)
	if o.opt.Desirable != 1 || o.opt.Undesirable != 2 {
		t.Errorf("two good ones weigh %g, a bad one %g", o.opt.Desirable, o.opt.Undesirable)
	}
}

func TestCycleGoesThroughAll(t *testing.T) {
	var c cycle
	r := rand.New(rand.NewPCG(11, 7))
	count := map[int]int{}
	for range 35 {
		list := c.take(r, 7, 3)
		if len(list) != 3 {
			t.Fatalf("took %v", list)
		}
		for _, i := range list {
			count[i]++
		}
	}
	for i := range 7 {
		if count[i] != 15 {
			t.Errorf("%d came %d times, want 15", i, count[i])
		}
	}
	if got := (&cycle{}).take(r, 2, 5); len(got) != 2 || got[0] == got[1] {
		t.Errorf("all of two are %v", got)
	}
	if got := (&cycle{}).take(r, 0, 5); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestObjectiveRefuses(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	scorer := tinyScorer(t, base, trainable, 2, 12)
	champion := Champion{Params: s.Parameters()}
	for want, change := range map[string]func(o *ObjectiveOptions, p []Preference, r []Rated){
		"-1 preferences":                 func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.Preferences = -1 },
		"nor both 0":                     func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.Preferences, o.Rated = 0, 0 },
		"preferences with β 0":           func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.Beta = 0 },
		"preferences with β NaN":         func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.Beta = math.NaN() },
		"share 0 ":                       func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.PreferenceShare = 0 },
		"smoothing 0.5":                  func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.Smoothing = 0.5 },
		`is "dpo"; use kto or`:           func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.RatedLoss = "dpo" },
		"rated answers with β +Inf":      func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.RatedBeta = math.Inf(1) },
		"weights -1 and":                 func(o *ObjectiveOptions, _ []Preference, _ []Rated) { o.Desirable = -1 },
		"preference p has weight 0":      func(_ *ObjectiveOptions, p []Preference, _ []Rated) { p[0].Weight = 0 },
		"rated answer b has weight -Inf": func(_ *ObjectiveOptions, _ []Preference, r []Rated) { r[1].Weight = math.Inf(-1) },
	} {
		opt := every
		preferences, rated := feedback(t, false)
		change(&opt, preferences, rated)
		if _, _, err := NewObjective(scorer, champion, preferences, rated, opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	preferences, rated := feedback(t, false)
	if _, _, err := NewObjective(scorer, champion, nil, nil, every); err == nil || !strings.Contains(err.Error(), "nothing to learn") {
		t.Errorf("error %v", err)
	}
	opt := every
	opt.Preferences = 0
	if _, _, err := NewObjective(scorer, champion, preferences, nil, opt); err == nil || !strings.Contains(err.Error(), "3 preferences, 0 of them a step") {
		t.Errorf("error %v", err)
	}
	o, _, err := NewObjective(scorer, champion, preferences, rated, every)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Add(s, rand.New(rand.NewPCG(1, 1)), nil); err == nil || !strings.Contains(err.Error(), "room for 0 gradients") {
		t.Errorf("error %v", err)
	}
	s.Parameters()[0] = float32(math.NaN())
	if _, err := o.Add(s, rand.New(rand.NewPCG(1, 1)), make([]float32, len(s.Parameters()))); err == nil || !strings.Contains(err.Error(), "lower the learning rate") {
		t.Errorf("error %v", err)
	}
}
