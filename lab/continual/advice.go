package continual

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"nightshift/update/train/method"
)

// families are those that Advise judges, and when each is a choice at all.
var families = []struct{ name, when string }{
	{method.Memory, "where examples of the past may be kept"},
	{method.Regularization, "where no example may be kept and one adapter must do"},
	{method.Modular, "where it is known which task is which while learning"},
	{method.Meta, "where examples of the past may be kept, too"},
}

// Advise says in sentences what to choose when, from the gap that methods close in ACC: a verdict on each family that was measured, and which
// methods are not shown to be better than naive training, with the reason where the way they work gives one. It says nothing that the
// intervals do not bear: a method is clear of naive training where its interval is above 0, and counts as no worse than the best where
// their intervals overlap.
func Advise(s Summary) []string {
	if len(s.Gaps) == 0 {
		return []string{"Without naive and joint training there is nothing to compare methods with."}
	}
	var out, unclear []string
	for _, g := range s.Gaps {
		if !g.Clear(0) {
			unclear = append(unclear, g.Name)
		}
	}
	if len(unclear) > 0 {
		out = append(out, fmt.Sprintf("Joint training is not clearly better than naive training in %s, so that nothing said here is about %s.",
			strings.Join(unclear, ", "), them(len(unclear))))
	}
	for _, f := range families {
		if text := judge(s, f.name); text != "" {
			out = append(out, fmt.Sprintf("%s%s, %s: %s", strings.ToUpper(f.name[:1]), f.name[1:], f.when, text))
		}
	}
	for _, m := range s.Methods {
		if g, ok := m.Figure(FigureGap); ok && m.Family != Bounds && !(g.Low > 0) {
			text := fmt.Sprintf("Not shown to be better than naive training: %s, which closes %s", m.Method, percent(g))
			if why := weakness(m, s.Track); why != "" {
				text += "; " + why
			}
			out = append(out, text+".")
		}
	}
	return out
}

// judge names the method of a family that closes most of the gap, says whether it is clear of naive training, and names those that it
// is not shown to be better than; "" where none of the family was measured.
func judge(s Summary, family string) string {
	best, top := "", Interval{Value: math.Inf(-1)}
	for _, m := range s.Methods {
		if g, ok := m.Figure(FigureGap); ok && m.Family == family && g.Value > top.Value {
			best, top = m.Method, g
		}
	}
	if best == "" {
		return ""
	}
	var equal, clear []string
	for _, m := range s.Methods {
		g, ok := m.Figure(FigureGap)
		if !ok || m.Family != family || m.Method == best {
			continue
		}
		name := fmt.Sprintf("%s (%s)", m.Method, percent(g))
		if g.High >= top.Low {
			equal = append(equal, name)
		}
		if g.Low > 0 {
			clear = append(clear, name)
		}
	}
	text := fmt.Sprintf("%s is best and closes %s of the gap between naive and joint training", best, percent(top))
	switch {
	case top.Low > 0:
		text += ", clear of naive training"
	case len(clear) > 0:
		text += ", not clear of naive training; clear of it: " + strings.Join(clear, ", ")
	default:
		text += ", and no method of the family is clear of naive training"
	}
	if len(equal) > 0 {
		text += "; not shown to be worse: " + strings.Join(equal, ", ")
	}
	return text + "."
}

// weakness is why a method can keep little, "" where the way that it works gives no reason.
func weakness(m MethodSummary, track string) string {
	all := Methods()
	if i := slices.IndexFunc(all, func(of Method) bool { return of.Name == m.Method }); i >= 0 && all[i].Weakness != "" {
		return all[i].Weakness
	}
	if track == Streaming && (m.Family == method.Memory || m.Family == method.Meta) {
		return "it rehearses facts as they were, those that have changed since as well: nothing is retired from its memory here, as a night's selection does"
	}
	return ""
}

// percent writes an interval of shares.
func percent(i Interval) string { return i.text("%.0f %%", 100) }

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
