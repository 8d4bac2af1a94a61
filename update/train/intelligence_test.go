package train

import (
	"math"
	"testing"
)

// TestSIByHand follows two parameters through two steps. The first falls from 1 to 0.5 to 0.25 against the gradients 2 and 1: ω =
// 2·0.5 + 1·0.25 = 1.25 over a way of 0.75. The second goes up and back against gradients of 1: ω = −1 + 1 = 0. The third rises with
// its gradient: ω = −0.5.
func TestSIByHand(t *testing.T) {
	s, err := NewSI([]float32{1, 0, 0}, 0.4375)
	if err != nil {
		t.Fatal(err)
	}
	s.Observe([]float32{2, 1, 1}, []float32{1, 0, 0}, []float32{0.5, 1, 0.5})
	s.Observe([]float32{1, 1, 1}, []float32{0.5, 1, 0.5}, []float32{0.25, 0, 0.5})
	end := []float32{0.25, 0, 0.5}
	first, err := s.Importance(nil, end)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "importance", first, []float32{1.25, 0, 0}, 1e-7) // 1.25/(0.5625+0.4375); the last is not below zero
	second, err := s.Importance([]float32{1, 2, 3}, end)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "with the old", second, []float32{2.25, 2, float32(3 - 0.5/0.6875)}, 1e-7)
	// The surrogate loss is c·Σ Ω (θ−θ̃)², here 0.5·1.25·4.
	penalty, err := NewQuadratic(2*0.5, first, end)
	if err != nil {
		t.Fatal(err)
	}
	grads := make([]float32, 3)
	if v := penalty.Add([]float32{2.25, 5, 5}, grads); math.Abs(v-2.5) > 1e-6 || math.Abs(float64(grads[0])-2.5) > 1e-6 || grads[1] != 0 {
		t.Errorf("value %g, gradient %v", v, grads)
	}
	if _, err := s.Importance(nil, end[:2]); err == nil {
		t.Error("an end of two parameters was accepted")
	}
	if _, err := s.Importance(end[:1], end); err == nil {
		t.Error("one old importance was accepted")
	}
}

// TestSIAgreesWithPyTorch follows two tasks. In the second one a pull back leads some parameters against the gradient of their loss: one
// loses importance, and one all of it.
func TestSIAgreesWithPyTorch(t *testing.T) {
	golden := readMethods(t).SI
	var importance []float32
	for _, task := range golden.Tasks {
		s, err := NewSI(task.Start, golden.Damping)
		if err != nil {
			t.Fatal(err)
		}
		at := task.Start
		for _, step := range task.Steps {
			s.Observe(step.Grads, at, step.After)
			at = step.After
		}
		if importance, err = s.Importance(importance, at); err != nil {
			t.Fatal(err)
		}
		near(t, "importance", importance, task.Importance, 1e-5)
	}
}
