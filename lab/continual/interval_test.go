package continual

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-9 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestBootstrap(t *testing.T) {
	values := [][]float64{{1, 2, 3}, {2, 3, 4}, {3, 4, 5}}
	average := func(cells []Cell) float64 {
		sum := 0.0
		for _, c := range cells {
			sum += values[c.Order][c.Seed]
		}
		return sum / float64(len(cells))
	}
	i := Bootstrap(3, 3, 1, average)
	near(t, "mean", i.Value, 3)
	if i != Bootstrap(3, 3, 1, average) {
		t.Error("one seed gave two intervals")
	}
	// Of the 729 equally likely draws 7 have a mean below 1⅔, which is 1.0 %, and 28 one of at most that, 3.8 %; the other
	// side is its mirror image. So 2.5 % and 97.5 % lie at 1⅔ and 4⅓.
	near(t, "low", i.Low, 5.0/3)
	near(t, "high", i.High, 13.0/3)
	if !i.Clear(1.6) || i.Clear(2) {
		t.Errorf("%+v: clear of 1.6 %t, of 2 %t", i, i.Clear(1.6), i.Clear(2))
	}
	same := Bootstrap(3, 3, 1, func([]Cell) float64 { return -0.5 })
	if same != (Interval{-0.5, -0.5, -0.5}) {
		t.Errorf("a constant has the interval %+v", same)
	}
	one := Bootstrap(1, 1, 1, average)
	near(t, "one run, low", one.Low, 1)
	near(t, "one run, high", one.High, 1)
	none := Bootstrap(3, 3, 1, func([]Cell) float64 { return math.NaN() })
	near(t, "no statistic", none.Low, math.NaN())
}
