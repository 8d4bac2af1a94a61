package gate

import (
	"math"
	"strings"
	"testing"
)

func TestPairing(t *testing.T) {
	scores := func(n int, own, other func(i int) float64) Pairing {
		var p Pairing
		for i := range n {
			p.Own, p.Other = append(p.Own, own(i)), append(p.Other, other(i))
		}
		return p
	}
	is := func(x float64) func(int) float64 { return func(int) float64 { return x } }
	for _, c := range []struct {
		name   string
		p      Pairing
		pass   bool
		detail string
	}{
		{"knows which is which", scores(20, is(0.2), func(i int) float64 { return 3 + float64(i%3) }), true, "must be above 0"},
		{"cannot tell", scores(20, is(1.5), func(i int) float64 { return 1.5 + 0.5*float64(i%3-1) }), false, "must be above 0"},
		{"mixed up", scores(20, is(2), is(1)), false, "sign test"},
		{"a few stand out", scores(20, is(1), func(i int) float64 {
			if i < 6 {
				return 30
			}
			return 0.9
		}), false, "sign test"},
		{"one question", Pairing{}, true, "too few"},
		{"scores missing", Pairing{Own: []float64{1}}, false, "1 corrections and 0"},
		{"no number", scores(20, is(math.NaN()), is(1)), false, "not a number"},
	} {
		e, ev, l := good()
		e.Pairing = c.p
		v := Judge(e, ev, l)
		if v.Pass != c.pass {
			t.Errorf("%s: %+v", c.name, v)
		}
		found := false
		for _, k := range v.Checks {
			if k.Name == "pairing" {
				found = k.Pass == c.pass && strings.Contains(k.Detail, c.detail) && finite(k.Value) && finite(k.Low) && finite(k.High)
			} else if !k.Pass {
				t.Errorf("%s: %s failed as well", c.name, k.Name)
			}
		}
		if !found {
			t.Errorf("%s: no check says %q: %+v", c.name, c.detail, v.Checks)
		}
	}
}
