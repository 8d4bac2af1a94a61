package gate

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSequentialByHand compares with the mean of likelihood ratios worked out on paper: two events of the candidate and one of
// the champion at a share of a half.
func TestSequentialByHand(t *testing.T) {
	var s Sequential
	if s.P() != 1 {
		t.Errorf("before any event p = %g", s.P())
	}
	mean := func(f func(risk float64) float64) float64 {
		sum := 0.0
		for _, risk := range []float64{1.25, 1.5, 2, 3, 5} {
			sum += f(risk)
		}
		return sum / 5
	}
	s.Add(0.5, true)
	one := mean(func(r float64) float64 { return r / (r/2 + 0.5) }) // 1.1111, 1.2, 1.3333, 1.5, 1.6667
	if want := 1 / 1.3622222222; math.Abs(s.P()-want) > 1e-9 || math.Abs(one-1/want) > 1e-9 {
		t.Errorf("after one event p = %.9f, want %.9f", s.P(), want)
	}
	s.Add(0.5, true)
	two := mean(func(r float64) float64 { return math.Pow(r/(r/2+0.5), 2) })
	if math.Abs(s.P()-1/two) > 1e-9 {
		t.Errorf("after two events p = %.9f, want %.9f", s.P(), 1/two)
	}
	s.Add(0.5, false) // evidence falls, the largest stays
	if math.Abs(s.P()-1/two) > 1e-9 {
		t.Errorf("after an event of the champion p = %.9f, want %.9f", s.P(), 1/two)
	}
	for _, share := range []float64{0, 1, -1, math.NaN(), 2} {
		s.Add(share, true)
	}
	if events, candidate, expected := s.Counts(); events != 3 || candidate != 2 || expected != 1.5 {
		t.Errorf("%d events, %d of the candidate, %g expected", events, candidate, expected)
	}
}

// trial simulates events of distinct people during a rollout from 5 to 25 %, and returns after how many of them p fell to
// alpha, 0 when it never did. The candidate causes risk times as many.
func trial(r *rand.Rand, events int, risk, alpha float64) int {
	var s Sequential
	for i := range events {
		share := 0.05
		if i >= events/3 {
			share = 0.25
		}
		s.Add(share, r.Float64() < share*risk/(share*risk+1-share))
		if s.P() <= alpha {
			return i + 1
		}
	}
	return 0
}

// TestSequentialErrorRates simulates trials that are looked at after every event. Candidates as good as the champion, and
// better ones, are rolled back no more often than the level says; worse ones nearly always, and after few events when they
// are much worse.
func TestSequentialErrorRates(t *testing.T) {
	const trials, events, alpha = 2000, 600, 0.05
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // reproducible, not secret
	for _, c := range []struct {
		risk      float64
		low, high float64 // share of trials that are stopped
	}{{0.5, 0, 0.005}, {1, 0.005, 0.05}, {1.5, 0.75, 1}, {2, 0.99, 1}, {4, 1, 1}} {
		stopped, after := 0, 0
		for range trials {
			if n := trial(r, events, c.risk, alpha); n > 0 {
				stopped++
				after += n
			}
		}
		share := float64(stopped) / trials
		t.Logf("relative risk %g: %.3f of the trials are stopped, after %.0f events", c.risk, share, float64(after)/float64(max(1, stopped)))
		if share < c.low || share > c.high {
			t.Errorf("relative risk %g: %.3f of the trials are stopped, want %g to %g", c.risk, share, c.low, c.high)
		}
	}
}

// TestSequentialCountsPeople simulates people who complain again and again, some much more than others, under a candidate that
// is no worse. With the first complaint of each the error stays at its level; with all of them it would not.
func TestSequentialCountsPeople(t *testing.T) {
	const trials, people, alpha, share = 500, 200, 0.05, 0.25
	r := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // reproducible, not secret
	first, all := 0, 0
	for range trials {
		var one, each Sequential
		for range people {
			candidate := r.Float64() < share
			one.Add(share, candidate)
			for range 1 + int(r.ExpFloat64()*10) {
				each.Add(share, candidate)
			}
		}
		if one.P() <= alpha {
			first++
		}
		if each.P() <= alpha {
			all++
		}
	}
	if float64(first)/trials > alpha+0.01 || float64(all)/trials < 0.3 {
		t.Errorf("of %d trials %d are stopped by first complaints, %d by all of them", trials, first, all)
	}
}
