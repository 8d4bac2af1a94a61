package continual

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Course is what every method goes through for one order and seed.
type Course struct {
	Columns []string // domains, in the order in which they are learned
	Before  []Exam   // one a column: row 0
	Phases  []Phase
	Union   []Item  // what joint training learns from
	Share   float64 // of the budget's steps that a phase has; 0 means all
}

// Phase is one thing to learn, and what is asked after it.
type Phase struct {
	Name  string
	Learn []Item
	Exams []Exam // one a column
	Quick []Exam // one a column, smaller and of other phrasings: points of the curve on the way
}

// Exam is a set of items that is scored.
type Exam []Item

// Sizes say how much of everything there is.
type Sizes struct {
	Train int `json:"train"` // questions to learn from, a fact
	Exam  int `json:"exam"`  // questions of an exam, a fact
	Quick int `json:"quick"` // questions of a point on the curve, a domain
}

// Orders returns n orders of the domains. The first is the canonical one, which hyperparameters are tuned on; the others are
// random and differ from all before in what comes first and last, as long as there are domains left for that.
func Orders(n, domains int) [][]int {
	r := rand.New(rand.NewPCG(1, 0x6f72646572)) //nolint:gosec // reproducible, not secret
	first := make([]int, domains)
	for i := range first {
		first[i] = i
	}
	orders := [][]int{first}
	for len(orders) < n {
		for tries := 0; ; tries++ {
			o := r.Perm(domains)
			if !slices.ContainsFunc(orders, func(p []int) bool {
				return slices.Equal(o, p) || tries < 1000 && (o[0] == p[0] || o[domains-1] == p[domains-1])
			}) || tries > 2000 {
				orders = append(orders, o)
				break
			}
		}
	}
	return orders[:n]
}

// TaskCourse is a sequence of tasks, one a domain: its facts of one use, learned from phrasings of Train and examined with
// those of the split.
func TaskCourse(order []int, use Use, split Split, seed uint64, size Sizes) Course {
	domains := Domains()
	var c Course
	var exams, quick []Exam
	for _, at := range order {
		d := domains[at]
		facts := d.Facts(use, seed)
		learn := shuffled(d.Items(facts, Train, size.Train, seed), seed)
		c.Columns = append(c.Columns, d.Name)
		c.Phases = append(c.Phases, Phase{Name: d.Name, Learn: learn})
		c.Union = append(c.Union, learn...)
		exams = append(exams, d.Items(facts, split, size.Exam, seed))
		quick = append(quick, sample(d.Items(facts, Validation, 1, seed), size.Quick, seed))
	}
	for i := range c.Phases {
		c.Phases[i].Exams, c.Phases[i].Quick = exams, quick
	}
	c.Before = exams
	return c
}

// StreamCourse is a stream as a course: each round is a phase that learns from the feedback which came in, and its exams ask
// for what is right in that round. All rounds together have the steps of as many tasks as there are domains. Joint training learns what is right in the end, so it is more than a method could know.
func StreamCourse(order []int, use Use, split Split, seed uint64, size Sizes, opt StreamOptions) (Course, error) {
	all := Domains()
	domains := make([]Domain, len(order))
	var c Course
	for i, at := range order {
		domains[i] = all[at]
		c.Columns = append(c.Columns, all[at].Name)
	}
	rounds, err := Stream(domains, use, seed, opt)
	if err != nil {
		return c, err
	}
	ask := func(truth []Fact, split Split, per int) []Exam {
		exams := make([]Exam, len(domains))
		for k, d := range domains {
			exams[k] = d.Items(of(d, truth), split, per, seed)
		}
		return exams
	}
	for t, round := range rounds {
		p := Phase{Name: fmt.Sprintf("round %d", t+1), Exams: ask(round.Truth, split, size.Exam)}
		for _, exam := range ask(round.Truth, Validation, 1) {
			p.Quick = append(p.Quick, sample(exam, size.Quick, seed))
		}
		for _, f := range round.Feedback {
			p.Learn = append(p.Learn, f.Item)
		}
		c.Phases = append(c.Phases, p)
	}
	c.Before, c.Share = c.Phases[0].Exams, float64(len(domains))/float64(len(rounds))
	for _, d := range domains {
		c.Union = append(c.Union, d.Items(of(d, rounds[len(rounds)-1].Truth), Train, size.Train, seed)...)
	}
	return c, nil
}

// of are the facts of a domain.
func of(d Domain, facts []Fact) []Fact {
	var own []Fact
	for _, f := range facts {
		if f.Domain == d.Name {
			own = append(own, f)
		}
	}
	return own
}

// shuffled is a list in random order, so that its beginning is about many facts.
func shuffled(items []Item, seed uint64) []Item {
	r := rand.New(rand.NewPCG(seed, 0x73687566666c65)) //nolint:gosec // reproducible, not secret
	r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

// sample draws n items without replacement, in their order; all where there are no more.
func sample(items []Item, n int, seed uint64) []Item {
	if len(items) <= n {
		return items
	}
	r := rand.New(rand.NewPCG(seed, 0x73616d706c65)) //nolint:gosec // reproducible, not secret
	at := r.Perm(len(items))[:n]
	slices.Sort(at)
	out := make([]Item, n)
	for i, j := range at {
		out[i] = items[j]
	}
	return out
}
