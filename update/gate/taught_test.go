package gate

import (
	"math"
	"strings"
	"testing"
)

func TestTaught(t *testing.T) {
	scores := func(preferred, n int) Taught {
		var l Taught
		for i := range n {
			l.Said = append(l.Said, 0.5)
			l.Own = append(l.Own, map[bool]float64{true: 0.4, false: 0.5}[i < preferred])
		}
		return l
	}
	for _, c := range []struct {
		name string
		l    Taught
		pass bool
		says string
	}{
		{"all", scores(20, 20), true, "100 % of 20"},
		{"three quarters", scores(15, 20), true, "75 % of 20"},
		{"fewer", scores(14, 20), false, "more epochs"},
		{"none, of equals", scores(0, 20), false, "0 % of 20"},
		{"too few to say", scores(0, 4), true, "too few"},
		{"none", Taught{}, true, "0 corrections"},
		{"one score is missing", Taught{Own: []float64{1, 2}, Said: []float64{1}}, false, "2 corrections and 1"},
		{"no number", Taught{Own: []float64{math.NaN()}, Said: []float64{1}}, false, "not a number"},
	} {
		e, ev, l := good()
		e.Taught = c.l
		v := Judge(e, ev, l)
		check := v.Checks[2]
		if check.Name != "taught" || check.Pass != c.pass || v.Pass != c.pass || !strings.Contains(check.Detail, c.says) {
			t.Errorf("%s: %+v", c.name, check)
		}
		l.Taught = 0
		if v := Judge(e, ev, l); !v.Pass {
			t.Errorf("%s: refused though it is not judged: %+v", c.name, v)
		}
	}
}

// TestApprovedAnswersNeedNotImprove: of held-out feedback it is the corrections that must improve, and the mean of all.
func TestApprovedAnswersNeedNotImprove(t *testing.T) {
	e, ev, l := good()
	e.Gain = set("heldout", 24, 20, func(i int) float64 {
		if i < 10 {
			return -9
		}
		return 0.01
	})
	if v := Judge(e, ev, l); v.Checks[0].Pass {
		t.Errorf("10 of 24 improve: %+v", v.Checks[0])
	}
	for i := range e.Gain.Tokens {
		e.Gain.Corrected = append(e.Gain.Corrected, i < 10)
	}
	if v := Judge(e, ev, l); !v.Pass || !strings.Contains(v.Checks[0].Detail, "sign test of 10 corrections p = ") {
		t.Errorf("all 10 corrections improve: %+v", v.Checks[0])
	}
	for i := range e.Gain.Corrected {
		e.Gain.Corrected[i] = i >= 10
	}
	if v := Judge(e, ev, l); v.Checks[0].Pass {
		t.Errorf("no correction improves: %+v", v.Checks[0])
	}
	e.Gain.Corrected = e.Gain.Corrected[:5]
	if v := Judge(e, ev, l); v.Checks[0].Pass || !strings.Contains(v.Checks[0].Detail, "5 marks") {
		t.Errorf("some are not marked: %+v", v.Checks[0])
	}
}
