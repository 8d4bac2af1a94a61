package continual

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// StreamOptions describe a stream: a service that people use round after round, nights between them.
type StreamOptions struct {
	Rounds  int     `json:"rounds"`
	Size    int     `json:"size"`    // questions a round
	Delay   int     `json:"delay"`   // maximum number of rounds until feedback comes; 0: it comes within its round
	Wrong   float64 `json:"wrong"`   // share of the feedback that states another value than the right one
	Changes float64 `json:"changes"` // share of the facts whose value changes once, in the middle half of the rounds
}

// DefaultStream is the stream that is measured.
func DefaultStream() StreamOptions {
	return StreamOptions{Rounds: 12, Size: 72, Delay: 2, Wrong: 0.1, Changes: 0.25}
}

// Feedback is a correction that somebody sends: an answer that was right when the question was asked, or a wrong one.
type Feedback struct {
	Item  Item `json:"item"`
	Asked int  `json:"asked"` // round of the question
	Wrong bool `json:"wrong,omitempty"`
}

// Round is one step of a stream.
type Round struct {
	Asked    []Item     // questions, with the answers that are right in this round
	Feedback []Feedback // what comes in after them, in the order in which it was asked for
	Truth    []Fact     // all facts as they are in this round
}

// Stream makes a stream over domains: no round says where one task ends. What is asked about drifts from domain to domain, in
// the order given, around once: in round t of T domain k of D is asked about with a probability that is proportional to
// exp(2·cos(2π(t/T − k/D))). Questions are those of the split Train. Feedback comes between 0 and Delay rounds later, with
// equal probability; what would come after the end is lost. One seed gives one stream.
func Stream(domains []Domain, use Use, seed uint64, opt StreamOptions) ([]Round, error) {
	if opt.Rounds < 1 || opt.Size < 1 || opt.Delay < 0 || len(domains) == 0 {
		return nil, fmt.Errorf("make a stream of %d rounds of %d questions, delay %d, on %d domains: all but the delay must be positive", opt.Rounds, opt.Size, opt.Delay, len(domains))
	}
	r := rand.New(rand.NewPCG(seed, 0x73747265616d)) //nolint:gosec // reproducible, not secret
	var truth []Fact
	named := map[string]Domain{}
	for _, d := range domains {
		named[d.Name] = d
		truth = append(truth, d.Facts(use, seed)...)
	}
	changes := changing(truth, named, r, opt)
	rounds := make([]Round, opt.Rounds)
	for t := range rounds {
		for _, c := range changes[t] {
			truth[slices.IndexFunc(truth, func(f Fact) bool { return f.Key() == c.Key() })] = c
		}
		rounds[t].Truth = slices.Clone(truth)
		for range opt.Size {
			d := domains[drawn(r, popularity(t, opt.Rounds, len(domains)))]
			item := question(d, truth, r)
			rounds[t].Asked = append(rounds[t].Asked, item)
			f := Feedback{Item: item, Asked: t, Wrong: r.Float64() < opt.Wrong}
			if f.Wrong {
				f.Item = d.restated(item, d.Another(item.Fact, r))
			}
			if at := t + r.IntN(opt.Delay+1); at < opt.Rounds {
				rounds[at].Feedback = append(rounds[at].Feedback, f)
			}
		}
	}
	return rounds, nil
}

// changing draws which facts change, when, and to what.
func changing(truth []Fact, named map[string]Domain, r *rand.Rand, opt StreamOptions) map[int][]Fact {
	list := map[int][]Fact{}
	from, length := opt.Rounds/4, max(1, opt.Rounds/2)
	for _, i := range r.Perm(len(truth))[:int(math.Round(opt.Changes*float64(len(truth))))] {
		f := truth[i]
		f.Value = named[f.Domain].Another(f, r)
		t := from + r.IntN(length)
		list[t] = append(list[t], f)
	}
	return list
}

// popularity is how much each domain is asked about in a round; the sum is 1.
func popularity(t, rounds, domains int) []float64 {
	p := make([]float64, domains)
	sum := 0.0
	for k := range p {
		p[k] = math.Exp(2 * math.Cos(2*math.Pi*(float64(t)/float64(rounds)-float64(k)/float64(domains))))
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}

// drawn is an index, drawn with the given probabilities.
func drawn(r *rand.Rand, probabilities []float64) int {
	u := r.Float64()
	for i, p := range probabilities {
		if u -= p; u < 0 {
			return i
		}
	}
	return len(probabilities) - 1
}

// question draws a question about a domain's facts as they are.
func question(d Domain, truth []Fact, r *rand.Rand) Item {
	own := of(d, truth)
	items := d.Items([]Fact{own[r.IntN(len(own))]}, Train, math.MaxInt, 0)
	return items[r.IntN(len(items))]
}

// restated is the same question with the answer for another value.
func (d Domain) restated(it Item, value string) Item {
	it.Fact.Value = value
	it.Answer = fill(d.attribute(it.Fact.Attribute).answer, it.Fact.Subject, value)
	return it
}
