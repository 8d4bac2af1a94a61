package gate

import (
	"math"
	"slices"
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

// TestEditorsCorrectionsAllCount: one that was not taken in is one too many, however few there are.
func TestEditorsCorrectionsAllCount(t *testing.T) {
	for _, c := range []struct {
		name  string
		own   []float64 // said is 0.5
		by    []bool    // editors
		pass  []bool    // of the checks
		count string
	}{
		{"one", []float64{0.4}, []bool{true}, []bool{true}, "100 % of 1"},
		{"one that failed", []float64{0.5}, []bool{true}, []bool{false}, "0 % of 1"},
		{"one of many failed", []float64{0.4, 0.4, 0.6}, []bool{true, true, true}, []bool{false}, "67 % of 3"},
		{"beside too few others", []float64{0.4, 0.6}, []bool{true, false}, []bool{true, true}, "100 % of 1"},
		{"beside others that failed", []float64{0.4, 0.6, 0.6, 0.6, 0.6, 0.6}, []bool{true, false, false, false, false, false}, []bool{true, false}, "100 % of 1"},
	} {
		_, _, l := good()
		s := Taught{Own: c.own, Edited: c.by}
		for range c.own {
			s.Said = append(s.Said, 0.5)
		}
		checks := taught(s, l)
		var pass []bool
		for _, check := range checks {
			pass = append(pass, check.Pass)
		}
		if !slices.Equal(pass, c.pass) || !strings.Contains(checks[0].Detail, c.count) || checks[0].Limit != 1 {
			t.Errorf("%s: %+v", c.name, checks)
		}
	}
	if checks := taught(Taught{Own: []float64{1}, Said: []float64{2}, Edited: []bool{true, true}}, Defaults()); checks[0].Pass {
		t.Errorf("marks too many: %+v", checks)
	}
}

// TestEditorsAlone: without held-out feedback their corrections are the gain, and nothing else is asked of the evidence.
func TestEditorsAlone(t *testing.T) {
	e, _, l := good()
	e.Gain, e.Pairing, e.Taught = Paired{}, Pairing{}, Taught{Own: []float64{0.1}, Said: []float64{2}, Edited: []bool{true}}
	e.Edited = set("edited", 1, 10, func(int) float64 { return -3 })
	if v := Judge(e, Evidence{Editors: 1}, l); !v.Pass || !strings.Contains(v.Checks[0].Detail, "measured on what was learned") {
		t.Errorf("one correction of an editor: %+v", v)
	}
	for name, ev := range map[string]Evidence{"nobody": {}, "with a few others": {Editors: 1, Examples: 3, Subjects: 1}} {
		if v := Judge(e, ev, l); v.Pass {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for name, change := range map[string]func(*Evaluation){
		"not better":      func(e *Evaluation) { e.Edited = set("edited", 1, 10, func(int) float64 { return 0 }) },
		"not measured":    func(e *Evaluation) { e.Edited = Paired{} },
		"not taken in":    func(e *Evaluation) { e.Taught.Own[0] = 3 },
		"forgets a lot":   func(e *Evaluation) { e.Anchors = nil },
		"does not answer": func(e *Evaluation) { e.CandidateBehaviour.Answers = 0 },
	} {
		bad := e
		bad.Taught = Taught{Own: slices.Clone(e.Taught.Own), Said: e.Taught.Said, Edited: e.Taught.Edited}
		change(&bad)
		if v := Judge(bad, Evidence{Editors: 1}, l); v.Pass {
			t.Errorf("%s: passes", name)
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
