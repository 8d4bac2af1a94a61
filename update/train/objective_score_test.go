package train

import (
	"math"
	"slices"
	"testing"

	"nightshift/onnx/graphs"
)

// tinyScorer is a scorer of the tiny model, with rows rows of columns tokens.
func tinyScorer(t *testing.T, base Base, trainable graphs.Trainable, rows, columns int) *Scorer {
	t.Helper()
	s, err := NewScorer(base, trainable, 1, rows, columns, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// tinySession is a session of the tiny model whose parameters are all different from zero.
func tinySession(t *testing.T, base Base, trainable graphs.Trainable) *Session {
	t.Helper()
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for i := range s.Parameters() {
		s.Parameters()[i] = float32(math.Sin(float64(3*i+1))) / 4
	}
	return s
}

// TestLogProbsAreThoseOfTheTrainingGraph: token by token, whatever rows, weights and teachers there are, and after other calls.
func TestLogProbsAreThoseOfTheTrainingGraph(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	list := slices.Clone(lessons)
	list[0].Weight, list[0].Teacher, list[0].TeacherShare = -3, []Distribution{{IDs: []int32{7}, Probs: []float32{1}}}, 0.5
	list = append(list, Sequence{ID: "nothing to learn", Tokens: []int32{4, 5}, Prompt: 2})
	b := Pack(slices.Concat(lessons, list[3:]), 4, 8)[0]
	want := make([]float32, b.Positions)
	if _, _, err := s.Gradient(b, 1, want); err != nil {
		t.Fatal(err)
	}
	for _, rows := range []int{1, 2, 4} {
		scorer := tinyScorer(t, base, trainable, rows, 8)
		if err := scorer.Teach(s.Parameters(), slices.Clone(lessons), 0.5); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := scorer.LogProbs(s.Parameters(), list)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 4 || len(got[0]) != 3 || len(got[1]) != 2 || len(got[2]) != 2 || len(got[3]) != 0 {
				t.Fatalf("log-probabilities %v", got)
			}
			for p, o := range b.Origin {
				if v := got[o.Sequence][o.Token-lessons[o.Sequence].Prompt]; math.Abs(float64(v-want[p])) > 1e-5 {
					t.Errorf("%d rows, token %d of sequence %d: %g, the training graph has %g", rows, o.Token, o.Sequence, v, want[p])
				}
			}
		}
		if err := scorer.Teach(s.Parameters(), slices.Clone(lessons[:1]), 0.5); err != nil {
			t.Fatal(err)
		}
	}
	scorer := tinyScorer(t, base, trainable, 1, 8)
	if _, err := scorer.LogProbs(s.Parameters()[1:], list); err == nil {
		t.Error("too few parameters were accepted")
	}
}

// TestLogProbsOfWhatIsCut: a sequence longer than a row is scored as its end alone is.
func TestLogProbsOfWhatIsCut(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	scorer := tinyScorer(t, base, trainable, 2, 5)
	got, err := scorer.LogProbs(s.Parameters(), []Sequence{{Tokens: []int32{1, 2, 3, 4, 5, 6, 7}, Prompt: 5}, {Tokens: []int32{3, 4, 5, 6, 7}, Prompt: 3}, {Tokens: []int32{1, 2, 3, 4, 5, 6, 7}, Prompt: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0]) != 2 || len(got[2]) != 4 {
		t.Fatalf("log-probabilities %v", got)
	}
	for i := range got[0] {
		if math.Abs(float64(got[0][i]-got[1][i])) > 1e-5 || math.Abs(float64(got[0][i]-got[2][i+2])) > 1e-5 {
			t.Errorf("log-probabilities %v", got)
		}
	}
}
