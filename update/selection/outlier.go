package selection

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"nightshift/internal/stats"
)

// Measure is what a model says about an example.
type Measure struct {
	Loss      float64   `json:"loss"`                // of the completion, nats per token
	Gradient  float64   `json:"gradient"`            // norm of the gradient of that loss, 0 where it was not asked for
	Embedding []float32 `json:"embedding,omitempty"` // of the prompt, the same length for all, where it was asked for
}

// Outliers says what is too strange to be learned before somebody else says it too. Both bounds are robust z-scores among the
// examples of the same kind of one night; 0 for none.
type Outliers struct {
	Loss     float64
	Gradient float64
}

// minGroup is how many examples it takes to say what is usual.
const minGroup = 10

// find writes down the loss of each item, and says for each why it waits, "" where it does not. What as many people say as must confirm
// something, and two at least, is no outlier: it is news.
func (o Outliers) find(items []Item, measures []Measure, opt Options) []string {
	why := make([]string, len(items))
	groups := map[string][]int{}
	for i := range items {
		if loss := measures[i].Loss; !math.IsInf(loss, 0) && !math.IsNaN(loss) {
			items[i].Loss = loss
		}
		groups[items[i].Why] = append(groups[items[i].Why], i)
	}
	for _, group := range groups {
		if len(group) < minGroup {
			continue
		}
		judge(group, o.Loss, "loss", why, func(i int) float64 { return measures[i].Loss })
		judge(group, o.Gradient, "gradient", why, func(i int) float64 { return measures[i].Gradient })
	}
	all := append(slices.Clone(items), opt.Known...)
	enough := max(2, opt.Confirm.Subjects)
	var r *resemblance
	for i := range why {
		if why[i] == "" {
			continue
		}
		if r == nil {
			found := resemble(all, cmp.Or(opt.Near, usualNear))
			r = &found
		}
		if _, people := r.cluster(all, r.text[i], enough); people >= enough {
			why[i] = ""
		}
	}
	return why
}

// judge gives a reason to the members of a group whose value lies above a bound. What is not finite does.
func judge(group []int, bound float64, name string, why []string, value func(i int) float64) {
	if bound <= 0 {
		return
	}
	values := make([]float64, len(group))
	for k, i := range group {
		values[k] = value(i)
	}
	for k, z := range RobustZ(values) {
		if i := group[k]; why[i] == "" && !(z <= bound) {
			why[i] = fmt.Sprintf("an outlier: its %s is %.3g, %.1f robust standard deviations above the median of its kind, and at most %g are allowed until somebody else says nearly the same",
				name, values[k], z, bound)
		}
	}
}

// RobustZ measures values from their median in units of 1.4826 times the median absolute deviation, which for normal values is the
// standard deviation (Iglewicz & Hoaglin 1993). Where more than half of the values are the same it takes 1.2533 times the mean absolute
// deviation in its place. What is not finite is infinitely far away.
func RobustZ(values []float64) []float64 {
	finite := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	center := stats.Median(finite)
	deviations := make([]float64, len(finite))
	mean := 0.0
	for i, v := range finite {
		deviations[i] = math.Abs(v - center)
		mean += deviations[i] / float64(len(finite))
	}
	unit := 1.4826 * stats.Median(deviations)
	if unit == 0 {
		unit = 1.2533 * mean
	}
	z := make([]float64, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			z[i] = math.Inf(1)
		case v != center:
			z[i] = (v - center) / unit
		}
	}
	return z
}
