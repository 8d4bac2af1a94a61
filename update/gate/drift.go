package gate

import (
	"errors"
	"fmt"
	"strings"

	"nightshift/internal/nightrecord"
	"nightshift/internal/stats"
)

// Drift holds how far the candidate's answers are from the champion's where nothing was to change: on rehearsed prompts.
type Drift struct {
	// Top is how many of the champion's likeliest tokens are told apart at each position; all others are one. What is lumped
	// together can only look more alike, so the figures are never above the true divergence (log-sum inequality).
	Top int `json:"top"`
	// Tried are the scales of the change that were tried, the largest first. The last one is the candidate.
	Tried []Scaled `json:"tried"`
}

// Scaled holds the divergence of one scale.
type Scaled struct {
	Scale  float64   `json:"scale"`  // 1 is what was trained, 0 would be the champion
	Tokens []int     `json:"tokens"` // compared positions of each example
	Nats   []float64 `json:"nats"`   // KL(champion ‖ candidate) summed over them
}

// Scales are tried in turn until the drift is within its limit.
func Scales() []float64 { return []float64{1, 0.75, 0.5, 0.25} }

// Mean is the divergence in nats per token; ok is false without a figure.
func (s Scaled) Mean() (mean float64, ok bool) {
	sum, tokens := 0.0, 0
	for i := range min(len(s.Tokens), len(s.Nats)) {
		sum, tokens = sum+s.Nats[i], tokens+s.Tokens[i]
	}
	mean = sum / float64(tokens)
	return mean, tokens > 0 && finite(mean)
}

// Scale is the scale of the candidate, 1 where none was tried.
func (d Drift) Scale() float64 {
	if len(d.Tried) == 0 {
		return 1
	}
	return d.Tried[len(d.Tried)-1].Scale
}

// check reports what makes a figure unusable.
func (s Scaled) check() error {
	if len(s.Tokens) == 0 || len(s.Tokens) != len(s.Nats) {
		return fmt.Errorf("there are %d rehearsed examples and %d figures of how far the candidate is from the champion", len(s.Tokens), len(s.Nats))
	}
	for i := range s.Nats {
		if s.Tokens[i] < 1 || !finite(s.Nats[i]) {
			return errors.New("a figure of how far the candidate is from the champion is not a number, or of no token")
		}
	}
	return nil
}

// drift asks that the candidate stays near the champion in the mean over rehearsed tokens.
func drift(d Drift, l Limits) nightrecord.Check {
	const name = "drift"
	if len(d.Tried) == 0 {
		return failed(name, "how far the candidate is from the champion was not measured")
	}
	last := d.Tried[len(d.Tried)-1]
	if err := last.check(); err != nil {
		return failed(name, err.Error())
	}
	value, low, high := stats.Ratio(last.Nats, last.Tokens, l.Resamples, l.Seed, side)
	c := nightrecord.Check{Name: name, Value: value, Low: low, High: high, Limit: l.Drift, Pass: value <= l.Drift}
	c.Detail = fmt.Sprintf("divergence from the champion on %d rehearsed examples: %.4f nats per token, at most %.4f", len(last.Tokens), value, l.Drift)
	if len(d.Tried) > 1 {
		var before []string
		for _, s := range d.Tried[:len(d.Tried)-1] {
			mean, _ := s.Mean()
			before = append(before, fmt.Sprintf("%.4f at scale %g", mean, s.Scale))
		}
		c.Detail += fmt.Sprintf("; the change is scaled by %g, after %s", last.Scale, strings.Join(before, ", "))
	}
	return c
}
