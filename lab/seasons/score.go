package seasons

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"nightshift/internal/stats"
)

// Score counts what passed of one kind.
type Score struct {
	Kind    string         `json:"kind"`
	Variant string         `json:"variant,omitempty"` // "" for all
	Nights  int            `json:"nights"`
	Passed  int            `json:"passed"`           // Outcome.Passed
	Active  int            `json:"activated"`        // the same, but for lies that nobody learned
	Refused map[string]int `json:"refused_by"`       // nights that a check refused
	Ended   map[string]int `json:"ended,omitempty"`  // nights that were not judged: failed or skipped
	Low     float64        `json:"passed_share_low"` // 95 % bounds of the share that passes, each by itself (Clopper & Pearson 1934)
	High    float64        `json:"passed_share_high"`
	// Means over the nights that had a candidate.
	Changed float64 `json:"changed_right"`
	Steady  float64 `json:"unchanged_right"`
	Lost    float64 `json:"unchanged_lost"`
	Lies    float64 `json:"lies_told"`
	Seconds float64 `json:"seconds"`
}

// Result is the trial's summary.
type Result struct {
	Bench    string    `json:"bench"`
	Good     Score     `json:"good"`
	Bad      Score     `json:"bad"` // all kinds together
	Kinds    []Score   `json:"kinds"`
	Passing  []Outcome `json:"bad_that_passed,omitempty"`
	Failures []string  `json:"failures,omitempty"` // what falls short of what is asked
	Summary  bool      `json:"summary"`
}

// boundTail is the probability that a bound of a score is passed.
const boundTail = 0.05

// NewResult adds up outcomes. Of the good candidates nine tenths must pass, of the bad ones none.
func NewResult(list []Outcome) Result {
	r := Result{Bench: "gate", Summary: true}
	var bad []Outcome
	for _, kind := range Kinds() {
		of := slices.DeleteFunc(slices.Clone(list), func(o Outcome) bool { return o.Kind != kind })
		score := newScore(kind, "", of)
		if kind == Good {
			r.Good = score
			continue
		}
		bad = append(bad, of...)
		r.Kinds = append(r.Kinds, score)
		for _, v := range variants[kind] {
			r.Kinds = append(r.Kinds, newScore(kind, v, slices.DeleteFunc(slices.Clone(of), func(o Outcome) bool { return o.Variant != v })))
		}
	}
	r.Bad = newScore("bad", "", bad)
	for _, o := range bad {
		if o.Passed() {
			r.Passing = append(r.Passing, o)
		}
	}
	if 10*r.Good.Passed < 9*r.Good.Nights {
		r.Failures = append(r.Failures, fmt.Sprintf("%d of %d good candidates passed, nine tenths must", r.Good.Passed, r.Good.Nights))
	}
	if r.Bad.Passed > 0 {
		r.Failures = append(r.Failures, fmt.Sprintf("%d of %d bad candidates passed, none may", r.Bad.Passed, r.Bad.Nights))
	}
	return r
}

// newScore adds up the outcomes of a kind.
func newScore(kind, variant string, list []Outcome) Score {
	s := Score{Kind: kind, Variant: variant, Nights: len(list), Refused: map[string]int{}, Ended: map[string]int{}}
	asked := 0.0
	for _, o := range list {
		if o.Passed() {
			s.Passed++
		}
		if o.Activated() {
			s.Active++
		} else if len(o.Refused) == 0 {
			s.Ended[string(o.State)]++
		}
		for _, c := range o.Refused {
			s.Refused[c]++
		}
		s.Seconds += o.Seconds
		if o.Before > 0 {
			asked++
			s.Changed, s.Steady, s.Lost, s.Lies = s.Changed+o.Changed, s.Steady+o.Steady, s.Lost+o.Before-o.Steady, s.Lies+o.Lies
		}
	}
	if asked > 0 {
		s.Changed, s.Steady, s.Lost, s.Lies = s.Changed/asked, s.Steady/asked, s.Lost/asked, s.Lies/asked
	}
	s.Low, s.High = stats.Proportion(s.Passed, s.Nights, boundTail)
	return s
}

// Table prints a result for people.
func (r Result) Table(out io.Writer) error {
	t := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "candidates\tnights\tactivated\tpassed\tshare that passes (95 % bounds)\tchanged facts right\tunchanged facts lost\tlies told\trefused by")
	row := func(s Score) {
		if s.Nights == 0 {
			return
		}
		name := s.Kind
		if s.Variant != "" {
			name = "  " + s.Variant
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.1f to %.1f %%\t%.1f %%\t%.1f points\t%.1f %%\t%s\n", name, s.Nights, s.Active, s.Passed, 100*s.Low, 100*s.High, 100*s.Changed, 100*s.Lost, 100*s.Lies, reasonsOf(s))
	}
	row(r.Good)
	row(r.Bad)
	for _, s := range r.Kinds {
		row(s)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, o := range r.Passing {
		fmt.Fprintf(out, "passed: %s %s, seed %d: %.0f %% of the changed facts right, %.0f %% of the lies told\n", o.Kind, o.Variant, o.Seed, 100*o.Changed, 100*o.Lies)
	}
	return nil
}

// reasonsOf lists what kept candidates out, the most frequent first.
func reasonsOf(s Score) string {
	all := maps.Clone(s.Refused)
	for name, n := range s.Ended {
		all["night "+name] = n
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		if all[a] != all[b] {
			return all[b] - all[a]
		}
		return strings.Compare(a, b)
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%s %d", n, all[n])
	}
	return strings.Join(names, ", ")
}
