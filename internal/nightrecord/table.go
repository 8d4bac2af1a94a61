package nightrecord

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// questions say what the checks ask, in the order in which they are shown.
var questions = map[string]string{
	"gain":       "is it better on feedback that it never saw?",
	"pairing":    "does it know which correction belongs to which question?",
	"taught":     "does it prefer what it was corrected to over what it was corrected from?",
	"retention":  "does it still know what was known before?",
	"drift":      "does it answer as before where nothing was to change?",
	"behaviour":  "do its answers keep their form?",
	"evidence":   "did enough people say enough?",
	"complaints": "do people complain more about it?",
	"latency":    "are its answers slower?",
}

// edited says whether a night learned what editors say and nothing else.
func (s *Selected) edited() bool { return s != nil && s.Editors > 0 && s.HeldOut == 0 }

// Table writes a night for people: what it was, what it learned from, what was checked and how its trial went. trial may be nil.
func (n Night) Table(w io.Writer, trial *Trial) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "night\t%s\ntrack\t%s\nstate\t%s\n", n.ID, n.Track, n.State)
	for _, line := range []struct{ name, text string }{{"reason", n.Reason}, {"asked by", n.By}, {"began", stamp(n.Started)}, {"took", took(n)}, {"learned from", n.Selected.sentence()},
		{"began with", n.From}, {"warm start", n.WarmStart.Sentence()}, {"loss", loss(n.Curve)}, {"sparsity", n.sparsity()}, {"objective", n.Learned.sentence()}, {"references", n.Learned.references()}, {"candidate", n.Candidate.name(n.Track)}} {
		if line.text != "" {
			fmt.Fprintf(t, "%s\t%s\n", line.name, line.text)
		}
	}
	if n.DryRun {
		fmt.Fprintf(t, "dry run\tnothing was published\n")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(n.Linears) > 0 {
		if err := choiceTable(w, n.Linears); err != nil {
			return err
		}
	}
	if n.Verdict != nil {
		if err := n.Verdict.table(w, n.Selected.edited()); err != nil {
			return err
		}
	}
	if trial != nil {
		return trial.table(w)
	}
	return nil
}

// table writes the checks, those that failed explained.
func (v Verdict) table(w io.Writer, edited bool) error {
	fmt.Fprintf(w, "\nverdict: %s\n", map[bool]string{true: "passed", false: "rejected"}[v.Pass])
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "  \tcheck\tvalue\tinterval\tlimit\tasks")
	before := ""
	for _, c := range v.Checks {
		interval, asks := "", ""
		if c.Low != c.Value || c.High != c.Value {
			interval = figure(c.Low) + " … " + figure(c.High)
		}
		if c.Name != before {
			before, asks = c.Name, questions[c.Name]
			if edited && c.Name == "gain" {
				asks = "is it better on what the editors corrected?"
			}
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", mark(c.Pass), c.Name, figure(c.Value), interval, figure(c.Limit), asks)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nin words:")
	for _, c := range v.Checks {
		if _, err := fmt.Fprintf(w, "  %s  %s: %s\n", mark(c.Pass), c.Name, c.Detail); err != nil {
			return err
		}
	}
	return nil
}

// choiceTable writes where the gradients of the new examples lie, a row for each layer, and marks what was chosen.
func choiceTable(w io.Writer, linears []Linear) error {
	var modules []string
	rows := map[int]map[string]string{}
	chosen, parameters, share := 0, 0, 0.0
	for _, l := range linears {
		if !slices.Contains(modules, l.Module) {
			modules = append(modules, l.Module)
		}
		if rows[l.Layer] == nil {
			rows[l.Layer] = map[string]string{}
		}
		mark := ""
		if l.Chosen {
			mark, chosen, parameters, share = " *", chosen+1, parameters+l.Parameters, share+l.Share
		}
		rows[l.Layer][l.Module] = figure(math.Round(1000*l.Share)/10) + " %" + mark
	}
	fmt.Fprintf(w, "\nadapts %d of %d linears, marked *, with %d parameters and %s %% of the new examples' squared gradients:\n", chosen, len(linears), parameters, figure(math.Round(1000*share)/10))
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "  layer\t%s\n", strings.Join(modules, "\t"))
	for _, layer := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(t, "  %d", layer)
		for _, m := range modules {
			fmt.Fprintf(t, "\t%s", rows[layer][m])
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// table writes the steps of a trial and the figures of its tests at the end of each.
func (t Trial) table(w io.Writer) error {
	fmt.Fprintln(w, "\ntrial:")
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tab, "  share\tbegan\ttook\tpeople\ttest\tevents\tcandidate's\texpected\tp\tlimit\tthen")
	for _, s := range t.Steps {
		step := fmt.Sprintf("  %g %%\t%s\t%s\t%d", 100*s.Share, stamp(s.Began), s.Ended.Sub(s.Began).Round(time.Second), s.People)
		then := s.Decision
		for _, x := range s.Tests {
			fmt.Fprintf(tab, "%s\t%s %s\t%d\t%d\t%.1f\t%.2g\t%.2g\t%s\n", step, mark(x.Pass), x.Name, x.Events, x.Candidate, x.Expected, x.P, x.Limit, then)
			step, then = "\t\t\t", ""
		}
	}
	return tab.Flush()
}

// sentence says what a night worked with.
func (s *Selected) sentence() string {
	if s == nil {
		return ""
	}
	by := fmt.Sprintf("of %d people", s.Subjects)
	switch {
	case s.Editors > 0 && s.Editors == s.New:
		by = "by editors"
	case s.Editors > 0:
		by += fmt.Sprintf(" and editors, who gave %d", s.Editors)
	}
	how := ""
	if s.HeldOutBy == ByQuestions {
		how = " by questions"
	}
	return fmt.Sprintf("%d new examples %s, %d rehearsed; measured on %d held out%s and %d anchors; %d pieces of feedback not used, %d left for later",
		s.New, by, s.Rehearsal, s.HeldOut, how, s.Anchors, s.Rejected, s.Waiting)
}

// sentence says what a night learned of preferences and ratings.
func (l *Learned) sentence() string {
	if l == nil {
		return ""
	}
	text := fmt.Sprintf("%s: %d examples imitated", l.Objective, l.Imitated)
	if l.Preferences > 0 {
		text += fmt.Sprintf("; %d preferences, margin %s nats, %s %% the right way round", l.Preferences, figure(l.Margin), figure(100*l.Accuracy))
	}
	if l.LeftOut > 0 {
		text += fmt.Sprintf("; %d corrections make no pair", l.LeftOut)
	}
	if l.Good > 0 {
		text += fmt.Sprintf("; %d good answers, %+.2f nats", l.Good, l.GoodReward)
	}
	if l.Bad > 0 {
		text += fmt.Sprintf("; %d bad answers, %+.2f nats", l.Bad, l.BadReward)
	}
	return text
}

// references says what answers were worth to the champion by.
func (l *Learned) references() string {
	if l == nil || l.Recorded+l.Computed == 0 {
		return ""
	}
	text := fmt.Sprintf("%d as recorded when served, %d computed", l.Recorded, l.Computed)
	if l.Apart > 0 {
		text += fmt.Sprintf("; those that were checked are at most %.2g nats per token apart", l.Apart)
	}
	for _, why := range slices.Sorted(maps.Keys(l.Reasons)) {
		text += fmt.Sprintf("; %d: %s", l.Reasons[why], why)
	}
	return text
}

// name is a candidate as people call it.
func (c *Candidate) name(track string) string {
	switch {
	case c == nil:
		return ""
	case c.Version == 0:
		return c.Digest + ", not stored" + c.scaled()
	}
	return track + "@" + strconv.Itoa(c.Version) + " " + c.Digest + c.scaled()
}

// scaled says how much of the trained change is left, where that is not all.
func (c *Candidate) scaled() string {
	if c.Scale == 0 || c.Scale == 1 {
		return ""
	}
	return fmt.Sprintf(", %g of what was trained", c.Scale)
}

// loss is the beginning and the end of a curve.
func loss(curve []CurvePoint) string {
	if len(curve) == 0 {
		return ""
	}
	return fmt.Sprintf("%s at first, %s at the end, in nats per token", figure(curve[0].Loss), figure(curve[len(curve)-1].Loss))
}

// sparsity says how much L1 left alone.
func (n Night) sparsity() string {
	if n.Sparsity == nil {
		return ""
	}
	return figure(math.Round(1000*(*n.Sparsity))/10) + " % of the trained parameters are exactly as before"
}

// took is how long a night took.
func took(n Night) string {
	if n.Started.IsZero() || n.Finished.IsZero() {
		return ""
	}
	return n.Finished.Sub(n.Started).Round(time.Second).String()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST")
}

func mark(pass bool) string {
	if pass {
		return "pass"
	}
	return "FAIL"
}

// figure prints a number with four places at most.
func figure(x float64) string {
	text := strconv.FormatFloat(x, 'f', 4, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
