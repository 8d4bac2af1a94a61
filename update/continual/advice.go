package continual

import (
	"fmt"
	"math"
	"strings"
)

// Advise says in sentences what to choose when, from the gap that methods close in ACC. It says nothing that the
// intervals do not bear: a method counts as no worse than the best where their intervals overlap.
func Advise(s Summary) []string {
	var out []string
	var unclear []string
	for _, g := range s.Gaps {
		if !g.Clear(0) {
			unclear = append(unclear, g.Name)
		}
	}
	if len(s.Gaps) == 0 {
		return []string{"Without naive and joint training there is nothing to compare methods with."}
	}
	if len(unclear) > 0 {
		out = append(out, fmt.Sprintf("Joint training is not clearly better than naive training in %s, so that nothing said here is about %s.",
			strings.Join(unclear, ", "), them(len(unclear))))
	}
	for _, c := range []struct {
		when string
		fits func(m MethodSummary) bool
	}{
		{"Where examples of the past may be kept", func(m MethodSummary) bool { return m.Family == Rehearsal || m.Family == Meta }},
		{"Where no example may be kept and one adapter must do", func(m MethodSummary) bool { return m.Family == Regularization }},
		{"Where it is known which task is which while learning", func(m MethodSummary) bool { return m.Family == Modular }},
	} {
		if text := choose(s, c.when, c.fits); text != "" {
			out = append(out, text)
		}
	}
	var idle []string
	for _, m := range s.Methods {
		if g, ok := m.Figure(FigureGap); ok && m.Family != Bounds && !(g.Low > 0) {
			idle = append(idle, m.Method)
		}
	}
	if len(idle) > 0 {
		out = append(out, fmt.Sprintf("Not shown to be better than naive training: %s.", strings.Join(idle, ", ")))
	}
	return out
}

// choose names the method of a kind that closes most of the gap, and those that it is not shown to be better than.
func choose(s Summary, when string, fits func(MethodSummary) bool) string {
	best, top := "", Interval{Value: math.Inf(-1)}
	for _, m := range s.Methods {
		if g, ok := m.Figure(FigureGap); ok && fits(m) && g.Value > top.Value {
			best, top = m.Method, g
		}
	}
	if best == "" {
		return ""
	}
	text := fmt.Sprintf("%s: %s, which closes %s of the gap between naive and joint training", when, best, percent(top))
	var equal []string
	for _, m := range s.Methods {
		if g, ok := m.Figure(FigureGap); ok && fits(m) && m.Method != best && g.High >= top.Low {
			equal = append(equal, fmt.Sprintf("%s (%s)", m.Method, percent(g)))
		}
	}
	if len(equal) > 0 {
		text += "; not shown to be worse: " + strings.Join(equal, ", ")
	}
	return text + "."
}

// percent writes an interval of shares.
func percent(i Interval) string { return i.text("%.0f %%", 100) }

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
