package train

import (
	"math"
	"slices"
	"testing"
)

// taught are the lessons with teachers of three tokens and a tail.
func taught() []Sequence {
	list := slices.Clone(lessons)
	for i := range list {
		list[i].TeacherShare = 0.75
		for j := range list[i].Losses() {
			first := int32(7*i + 3*j)
			list[i].Teacher = append(list[i].Teacher, Distribution{IDs: []int32{first % 40, (first + 11) % 40, (first + 23) % 40}, Probs: []float32{0.4, 0.2, 0.1}, Tail: 0.3})
		}
	}
	list[0].Teacher[0].IDs[1] = list[0].Tokens[2] // a token that is taught beside being the target
	return list
}

// TestTailIsWhatTheHeadLeaves compares the loss with one computed in float64 from the log-probabilities of the whole vocabulary: where the
// tail has a share, and where the model leaves it less than rounding would.
func TestTailIsWhatTheHeadLeaves(t *testing.T) {
	for _, scale := range []float32{20, 2000} {
		base, trainable := tinyScaled(t, scale)
		s := tinySession(t, base, trainable)
		whole, err := NewScorer(base, trainable, 40, 4, 8, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer whole.Close()
		full := slices.Clone(lessons)
		if err := whole.Teach(s.Parameters(), full, 0); err != nil {
			t.Fatal(err)
		}
		list, smallest := taught(), 0.0
		for i := range list { // the likeliest tokens of the model itself
			for j := range list[i].Teacher {
				copy(list[i].Teacher[j].IDs, full[i].Teacher[j].IDs)
			}
		}
		b := Pack(list, 4, 8)[0]
		got := make([]float32, b.Positions)
		loss, _, err := s.Gradient(b, 1, got)
		if err != nil {
			t.Fatal(err)
		}
		ids, logprobs, _, err := whole.run(b)
		if err != nil {
			t.Fatal(err)
		}
		total := 0.0
		for p, o := range b.Origin {
			all := map[int32]float64{}
			for k := range 40 {
				all[int32(ids[p*40+k])] = float64(logprobs[p*40+k])
			}
			q := list[o.Sequence]
			d := q.Teacher[o.Token-q.Prompt]
			rest, want := 0.0, 0.25*all[q.Tokens[o.Token]]
			for id, l := range all {
				if !slices.Contains(d.IDs, id) {
					rest += math.Exp(l)
				}
			}
			for k, id := range d.IDs {
				want += 0.75 * float64(d.Probs[k]) * all[id]
			}
			want += 0.75 * float64(d.Tail) * math.Log(rest)
			smallest = min(smallest, math.Log(rest))
			if math.Abs(float64(got[p])-want) > 1e-4*math.Max(1, math.Abs(want)) {
				t.Errorf("scale %g, position %d: %g, want %g with log p(tail) = %g", scale, p, got[p], want, math.Log(rest))
			}
			total -= want * float64(b.Weights[p])
		}
		if math.Abs(loss-total) > 1e-4*math.Abs(total) {
			t.Errorf("scale %g: loss %g, want %g", scale, loss, total)
		}
		if scale > 100 && smallest > -20 {
			t.Errorf("the smallest tail is e^%g, too large to show anything", smallest)
		}
	}
}

// TestTailGradient compares the gradient with central differences of the loss, along every tenth parameter.
func TestTailGradient(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	b := Pack(taught(), 4, 8)[0]
	_, grads, err := s.Gradient(b, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	grads = slices.Clone(grads)
	at := func(i int, v float32) float64 {
		s.Parameters()[i] = v
		logprobs := make([]float32, b.Positions)
		if _, _, err := s.Gradient(b, 1, logprobs); err != nil {
			t.Fatal(err)
		}
		loss := 0.0
		for p, l := range logprobs {
			loss -= float64(b.Weights[p]) * float64(l)
		}
		return loss
	}
	const h = 5e-3
	var diff, norm float64
	for i := 0; i < len(grads); i += 10 {
		v := s.Parameters()[i]
		d := (at(i, v+h) - at(i, v-h)) / (2 * h)
		s.Parameters()[i] = v
		diff, norm = diff+math.Pow(d-float64(grads[i]), 2), norm+d*d
	}
	if math.Sqrt(diff) > 2e-3*math.Sqrt(norm) || norm == 0 {
		t.Errorf("the gradient differs from central differences by %g of their norm", math.Sqrt(diff/norm))
	}
}

// TestOwnTailHasNoGradient: a model that is taught its own distributions, tail included, has nothing to learn, and one that is taught
// them renormalised would have: the tail's probability would be pulled to 0.
func TestOwnTailHasNoGradient(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	scorer, err := NewScorer(base, trainable, 3, 4, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer scorer.Close()
	list := slices.Clone(lessons)
	if err := scorer.Teach(s.Parameters(), list, 1); err != nil {
		t.Fatal(err)
	}
	length := func() float64 {
		_, grads, err := s.Gradient(Pack(list, 4, 8)[0], 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, g := range grads {
			sum += float64(g) * float64(g)
		}
		return math.Sqrt(sum)
	}
	own := length()
	for i := range list {
		for j, d := range list[i].Teacher {
			if math.Abs(float64(d.Probs[0]+d.Probs[1]+d.Probs[2]+d.Tail)-1) > 1e-5 || d.Tail <= 0 {
				t.Errorf("sequence %d, token %d: %v and %g do not sum to 1", i, j, d.Probs, d.Tail)
			}
			list[i].Teacher[j] = Distribution{IDs: d.IDs, Probs: []float32{d.Probs[0] / (1 - d.Tail), d.Probs[1] / (1 - d.Tail), d.Probs[2] / (1 - d.Tail)}}
		}
	}
	if renormalised := length(); own > 1e-4*renormalised || renormalised == 0 {
		t.Errorf("the gradient's norm is %g with a tail, %g without", own, renormalised)
	}
}
