package gate

import (
	"math"
	"strings"
	"testing"
)

func TestDrift(t *testing.T) {
	at := func(scale float64, nats ...float64) Scaled {
		s := Scaled{Scale: scale, Nats: nats}
		for range nats {
			s.Tokens = append(s.Tokens, 10)
		}
		return s
	}
	for _, c := range []struct {
		name   string
		tried  []Scaled
		limit  float64
		pass   bool
		detail string
	}{
		{"near", []Scaled{at(1, 0.5, 1.5, 0.9)}, 0.1, true, "0.0967 nats per token, at most 0.1"},
		{"far", []Scaled{at(1, 0.5, 1.5, 1.1)}, 0.1, false, "0.1033 nats per token"},
		{"scaled", []Scaled{at(1, 4, 4), at(0.75, 2, 2), at(0.5, 0.5, 0.7)}, 0.1, true, "scaled by 0.5, after 0.4000 at scale 1, 0.2000 at scale 0.75"},
		{"far at every scale", []Scaled{at(1, 4), at(0.75, 3), at(0.5, 2.5), at(0.25, 2)}, 0.1, false, "scaled by 0.25"},
		{"not measured", nil, 0.1, false, "not measured"},
		{"no example", []Scaled{{Scale: 1}}, 0.1, false, "0 rehearsed examples"},
		{"figures missing", []Scaled{{Scale: 1, Tokens: []int{1, 2}, Nats: []float64{0}}}, 0.1, false, "2 rehearsed examples and 1 figures"},
		{"no number", []Scaled{at(1, math.NaN())}, 0.1, false, "not a number"},
		{"no token", []Scaled{{Scale: 1, Tokens: []int{0}, Nats: []float64{0}}}, 0.1, false, "of no token"},
		{"the limit is no number", []Scaled{at(1, 0)}, math.Inf(1), false, "limit is not a number"},
	} {
		e, ev, l := good()
		e.Drift.Tried, l.Drift = c.tried, c.limit
		v := Judge(e, ev, l)
		if v.Pass != c.pass {
			t.Errorf("%s: %+v", c.name, v)
		}
		for _, k := range v.Checks {
			if k.Name == "drift" && (k.Pass != c.pass || !strings.Contains(k.Detail, c.detail) || !finite(k.Value) || !finite(k.Limit)) {
				t.Errorf("%s: want %q in %+v", c.name, c.detail, k)
			}
			if k.Name != "drift" && !k.Pass {
				t.Errorf("%s: %s failed as well", c.name, k.Name)
			}
		}
	}
	e, ev, l := good()
	if e.Drift.Tried, l.Drift = nil, 0; !Judge(e, ev, l).Pass || e.Drift.Scale() != 1 {
		t.Error("without a limit drift is judged")
	}
}
