package bench

import "testing"

func TestJudge(t *testing.T) {
	inside := Interval{Low: 0.88, High: 0.93, Coverage: 0.98}
	tests := []struct {
		atLeast, atMost float64
		want            Judgement
	}{
		{0, 0, ""}, {0.85, 0, Pass}, {0.88, 0, Pass}, {0.9, 0, Undecided}, {0.93, 0, Undecided}, {0.94, 0, Fail},
		{0, 0.95, Pass}, {0, 0.9, Undecided}, {0, 0.8, Fail}, {0.85, 0.95, Pass}, {0.9, 0.8, Fail}, {0.85, 0.9, Undecided},
	}
	for _, test := range tests {
		if got := Judge(inside, test.atLeast, test.atMost); got != test.want {
			t.Errorf("at least %v, at most %v: %q, want %q", test.atLeast, test.atMost, got, test.want)
		}
	}
	if got := Judge(Interval{Low: 1, High: 2, Coverage: 0.94}, 3, 0); got != Undecided {
		t.Errorf("five values decide: %q", got)
	}
}
