package sampling

import (
	"errors"
	"math"
	"testing"
)

func TestAdjust(t *testing.T) {
	logits := []float32{2, -1, 0.5, 3, 0}
	for name, test := range map[string]struct {
		a              Adjustment
		prompt, answer []int32
		want           []float32
	}{
		"repetition":      {Adjustment{Repetition: 2}, []int32{0, 1, 0}, []int32{0, 3}, []float32{1, -2, 0.5, 1.5, 0}},
		"frequency":       {Adjustment{Frequency: 0.5}, []int32{1, 3}, []int32{0, 2, 0}, []float32{1, -1, 0, 3, 0}},
		"presence":        {Adjustment{Presence: 1.5}, []int32{1}, []int32{0, 0, 0}, []float32{0.5, -1, 0.5, 3, 0}},
		"bias":            {Adjustment{Bias: []Bias{{3, -inf}, {4, 7}}}, nil, nil, []float32{2, -1, 0.5, -inf, 7}},
		"all":             {Adjustment{Repetition: 2, Presence: 1, Frequency: 1, Bias: []Bias{{0, 5}}}, nil, []int32{0, 0}, []float32{1 - 2 - 1 + 5, -1, 0.5, 3, 0}},
		"repetition tiny": {Adjustment{Repetition: 1e-45, Frequency: -2}, []int32{0}, []int32{3}, []float32{math.MaxFloat32, -1, 0.5, math.MaxFloat32, 0}},
		"repetition one":  {Adjustment{Repetition: 1, Presence: 1}, []int32{3}, []int32{1}, []float32{2, -2, 0.5, 3, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Params{Temperature: 1, Seed: 3}, len(logits))
			s.Adjust(test.a)
			plain := New(Params{Temperature: 1, Seed: 3}, len(logits))
			for step := range uint64(30) { // again and again: nothing is left over from the last pick
				id, logprob, err := s.PickAfter(logits, test.prompt, test.answer, step)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range s.logits {
					if v != test.want[i] {
						t.Fatalf("logits become %v, want %v", s.logits, test.want)
					}
				}
				if want, _, _ := plain.Pick(test.want, step); id != want {
					t.Fatalf("step %d: picked %d, the adjusted logits give %d", step, id, want)
				}
				if want, _, _ := Score(logits, id); logprob != want || math.Abs(float64(want)) < 1e-9 {
					t.Fatalf("log-probability %v, want the unmodified %v", logprob, want)
				}
			}
		})
	}
}

func TestAdjustNothing(t *testing.T) {
	logits := []float32{2, -1, 0.5}
	s := New(Params{Temperature: 1}, 3)
	s.Adjust(Adjustment{})
	for step := range uint64(20) {
		a, pa, _ := s.Pick(logits, step)
		b, pb, err := s.PickAfter(logits, []int32{1}, []int32{0}, step)
		if a != b || pa != pb || err != nil {
			t.Fatalf("step %d: %d and %d, %v", step, a, b, err)
		}
	}
	s.Adjust(Adjustment{Bias: []Bias{{0, -inf}}})
	s.Reset(Params{})
	if id, _, err := s.PickAfter(logits, nil, nil, 0); id != 0 || err != nil {
		t.Errorf("an adjustment outlived Reset: %d, %v", id, err)
	}
}

func TestAdjustRefusals(t *testing.T) {
	nan := float32(math.NaN())
	for _, a := range []Adjustment{
		{Repetition: -1}, {Repetition: nan}, {Repetition: inf}, {Presence: 2.1}, {Presence: nan}, {Frequency: -3},
		{Bias: []Bias{{3, 1}}}, {Bias: []Bias{{-1, 1}}}, {Bias: []Bias{{0, nan}}}, {Bias: []Bias{{0, inf}}},
	} {
		s := New(Params{}, 3)
		s.Adjust(a)
		if _, _, err := s.PickAfter([]float32{1, 2, 3}, nil, nil, 0); err == nil {
			t.Errorf("%+v was accepted", a)
		}
	}
	s := New(Params{Temperature: 1}, 3)
	s.Adjust(Adjustment{Bias: []Bias{{0, -inf}, {1, -inf}, {2, -inf}}})
	if _, _, err := s.PickAfter([]float32{1, 2, 3}, nil, nil, 0); !errors.Is(err, ErrLogits) {
		t.Errorf("everything is forbidden: %v", err)
	}
	s.Reset(Params{})
	s.Adjust(Adjustment{Presence: 1})
	for _, text := range [][]int32{{3}, {-1}} {
		if _, _, err := s.PickAfter([]float32{1, 2, 3}, text, nil, 0); err == nil {
			t.Errorf("token %d in the prompt was accepted", text[0])
		}
	}
	if _, _, err := s.PickAfter([]float32{1, nan, 3}, nil, nil, 0); !errors.Is(err, ErrLogits) {
		t.Errorf("NaN: %v", err)
	}
	if _, _, err := s.PickAfter([]float32{1}, nil, nil, 0); err == nil {
		t.Error("one logit of three was accepted")
	}
}

func TestLikeliest(t *testing.T) {
	logits := []float32{1, 4, 4, -2, 3}
	s := New(Params{}, 5)
	got, err := s.Likeliest(nil, logits, 3)
	if err != nil || len(got) != 3 || got[0].ID != 1 || got[1].ID != 2 || got[2].ID != 4 {
		t.Fatalf("likeliest: %v, %v", got, err)
	}
	for _, c := range got {
		if math.Abs(float64(c.LogProb)-exact(logits, c.ID)) > 1e-6 {
			t.Errorf("token %d: %v, want %v", c.ID, c.LogProb, exact(logits, c.ID))
		}
	}
	if all, err := s.Likeliest(nil, logits, 99); err != nil || len(all) != 5 {
		t.Errorf("more than there are: %v, %v", all, err)
	}
	if none, err := s.Likeliest(nil, logits, 0); err != nil || len(none) != 0 {
		t.Errorf("none: %v, %v", none, err)
	}
	if _, err := s.Likeliest(nil, logits[:2], 1); err == nil {
		t.Error("two logits of five were accepted")
	}
	if _, err := s.Likeliest(nil, []float32{inf, 0, 0, 0, 0}, 1); !errors.Is(err, ErrLogits) {
		t.Errorf("infinity: %v", err)
	}
}

func TestAdjustAllocatesNothing(t *testing.T) {
	logits := make([]float32, 2000)
	text := []int32{1, 2, 3, 2, 1}
	s := New(Params{Temperature: 1, TopP: 0.9}, len(logits))
	s.Adjust(Adjustment{Repetition: 1.1, Presence: 0.5, Frequency: 0.5, Bias: []Bias{{7, 2}}})
	choices := make([]Choice, 0, 5)
	step := uint64(0)
	if n := testing.AllocsPerRun(50, func() {
		step++
		_, _, _ = s.PickAfter(logits, text, text, step)
		choices, _ = s.Likeliest(choices[:0], logits, 5)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
