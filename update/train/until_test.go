package train

import (
	"slices"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
)

// trained is how a run ended.
func trained(steps, from int, learned float64, why string) nightrecord.Trained {
	return nightrecord.Trained{Steps: steps, From: from, Learned: learned, Why: why}
}

// ends runs a schedule over what is measured, and returns how it ended and the learning rates of its steps.
func ends(t *testing.T, u *Until, limit int, shares []float64) (nightrecord.Trained, []float64) {
	t.Helper()
	measured := 0
	if shares != nil {
		u.Learned = func() (float64, bool, error) {
			measured++
			share := shares[min(measured, len(shares))-1]
			return share, share >= 0.9, nil
		}
	}
	p := &progress{Until: u, limit: limit}
	var rates []float64
	for step := 0; step < p.steps(); step++ {
		rates = append(rates, p.rate(step, 5))
		if _, err := p.after(step + 1); err != nil {
			t.Fatal(err)
		}
	}
	return u.Ended, rates
}

func TestUntil(t *testing.T) {
	for _, c := range []struct {
		name   string
		until  Until
		limit  int
		shares []float64
		want   nightrecord.Trained
	}{
		{"learned at the third measurement", Until{Every: 10, Minimum: 1, Cooldown: 0.25}, 100, []float64{0.2, 0.5, 0.95}, trained(40, 30, 0.95, nightrecord.EndLearned)},
		{"learned at once, but the minimum comes first", Until{Every: 10, Minimum: 60, Cooldown: 0.25}, 100, []float64{1}, trained(67, 50, 1, nightrecord.EndLearned)},
		{"never learned", Until{Every: 10, Minimum: 1, Cooldown: 0.25}, 100, []float64{0.5}, trained(100, 75, 0.5, nightrecord.EndSteps)},
		{"no progress", Until{Every: 10, Minimum: 1, Patience: 3, Cooldown: 0.25}, 1000, []float64{0, 0.4, 0.4, 0.3, 0.4}, trained(67, 50, 0.4, nightrecord.EndPlateau)},
		{"progress resets the patience", Until{Every: 10, Minimum: 1, Patience: 3, Cooldown: 0.25}, 1000, []float64{0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.2}, trained(94, 70, 0.2, nightrecord.EndPlateau)},
		{"nothing to measure", Until{Every: 10, Minimum: 40, Cooldown: 0.25}, 1000, nil, trained(40, 30, 0, nightrecord.EndPasses)},
		{"fewer steps than the minimum", Until{Every: 10, Minimum: 4000, Cooldown: 0.25}, 8, nil, trained(8, 6, 0, nightrecord.EndPasses)},
		{"one step", Until{Every: 10, Minimum: 1, Cooldown: 0.25}, 1, nil, trained(1, 1, 0, nightrecord.EndPasses)},
		{"repeated", Until{Every: 10, Minimum: 1, Cooldown: 0.25, From: 20}, 1000, []float64{0.5}, trained(27, 20, 0.5, nightrecord.EndTime)},
		{"the time is over", Until{Every: 10, Minimum: 1, Cooldown: 0.25, Expired: func() bool { return true }}, 1000, []float64{0.5}, trained(14, 10, 0.5, nightrecord.EndTime)},
		{"a cooldown of so many steps at least", Until{Every: 10, Minimum: 1, Cooldown: 0.25, MinCooldown: 20}, 1000, []float64{1}, trained(30, 10, 1, nightrecord.EndLearned)},
		{"whose share is more", Until{Every: 10, Minimum: 1, Cooldown: 0.25, MinCooldown: 20}, 1000, []float64{0, 0, 0, 0, 0, 0, 1}, trained(94, 70, 1, nightrecord.EndLearned)},
		{"which does not count for the minimum", Until{Every: 10, Minimum: 20, Cooldown: 0.25, MinCooldown: 20}, 1000, nil, trained(35, 15, 0, nightrecord.EndPasses)},
		{"as the limit leaves them", Until{Every: 10, Minimum: 1, Cooldown: 0.25, MinCooldown: 50}, 40, []float64{1}, trained(20, 10, 1, nightrecord.EndLearned)},
		{"of one step", Until{Every: 10, Minimum: 1, Cooldown: 0.25, MinCooldown: 50}, 1, nil, trained(1, 1, 0, nightrecord.EndPasses)},
		{"no cooldown", Until{Every: 10, Minimum: 1}, 1000, []float64{1}, trained(10, 10, 1, nightrecord.EndLearned)},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := c.until
			got, rates := ends(t, &u, c.limit, c.shares)
			if got != c.want {
				t.Errorf("ended %+v, want %+v", got, c.want)
			}
			if len(rates) != c.want.Steps {
				t.Errorf("%d steps, want %d", len(rates), c.want.Steps)
			}
			for i, r := range rates {
				switch {
				case i >= c.want.From && r >= rates[c.want.From-1], i > c.want.From && r >= rates[i-1]:
					t.Errorf("the rate of step %d is %g, in the cooldown it must fall", i+1, r)
				case i >= 5 && i < c.want.From && r != 1:
					t.Errorf("the rate of step %d is %g before the cooldown", i+1, r)
				case r <= 0 || r > 1:
					t.Errorf("the rate of step %d is %g", i+1, r)
				}
			}
		})
	}
}

// TestFitUntil trains until the tiny model has learned its lessons, twice, and once more as a run that repeats another.
func TestFitUntil(t *testing.T) {
	base, trainable := tiny(t)
	learn := func(u Until) (nightrecord.Trained, []float32) {
		s, err := NewSession(base, trainable, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		begin(s)
		u.Learned = func() (float64, bool, error) {
			scores, err := s.LogProbs(lessons, 1, 16)
			known, all := 0, 0
			for _, list := range scores {
				for _, l := range list {
					if all++; l > -0.5 {
						known++
					}
				}
			}
			return float64(known) / float64(max(1, all)), known == all, err
		}
		opt := options
		opt.Steps, opt.Until = 400, &u
		steps, next := 0, 5
		if err := Fit(t.Context(), s, Shuffled(lessons), opt, func(p Step) error {
			if steps++; p.Step != steps || (p.Learned != nil) != (p.Step == next && (u.Ended.From == 0 || p.Step <= u.Ended.From)) {
				t.Errorf("step %+v", p)
			}
			if p.Step == next {
				next += max(5, next/10)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if steps != u.Ended.Steps {
			t.Errorf("%d steps, ended %+v", steps, u.Ended)
		}
		return u.Ended, slices.Clone(s.Parameters())
	}
	until := Until{Every: 5, Minimum: 1, Cooldown: 0.25}
	ended, params := learn(until)
	if ended.Why != nightrecord.EndLearned || ended.Learned != 1 || ended.From < 5 || ended.Steps > 300 {
		t.Fatalf("ended %+v", ended)
	}
	if again, same := learn(until); again != ended || !slices.Equal(params, same) {
		t.Errorf("the same run ended %+v, then %+v", ended, again)
	}
	looks := 0
	until.Expired = func() bool { looks++; return looks == 3 }
	ended, params = learn(until)
	until.Expired, until.From = nil, ended.From
	if again, same := learn(until); ended.From != 15 || again != ended || !slices.Equal(params, same) {
		t.Errorf("a run that the clock ended %+v, repeated %+v", ended, again)
	}
}

func TestUntilRefuses(t *testing.T) {
	base, trainable := tiny(t)
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, u := range []Until{{Every: 0, Minimum: 1}, {Every: 1, Minimum: 0}, {Every: 1, Minimum: 1, Cooldown: 1}, {Every: 1, Minimum: 1, MinCooldown: -1}} {
		opt := options
		opt.Until = &u
		if err := Fit(t.Context(), s, Shuffled(lessons), opt, func(Step) error { return nil }); err == nil || !strings.Contains(err.Error(), "until") {
			t.Errorf("%+v: %v", u, err)
		}
	}
}
