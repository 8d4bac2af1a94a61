package continual

import (
	"math"
	"math/rand/v2"
	"slices"

	"nightshift/update/train"
)

// Settings are what a method can be told. A field that is 0 is off.
type Settings struct {
	Memory  float64 `json:"memory,omitempty"`  // share of each phase's examples that is kept for rehearsal
	Limit   int     `json:"limit,omitempty"`   // most examples that are kept
	Ratio   float64 `json:"ratio,omitempty"`   // rehearsed examples for each new one in a batch
	KL      float64 `json:"kl,omitempty"`      // share of a teacher in the targets of rehearsed examples
	Distill float64 `json:"distill,omitempty"` // share of a teacher in the targets of new examples
}

// Families of methods: those of the learning settings of a night, and what they are compared with.
const (
	Bounds         = "bounds"
	Rehearsal      = "memory"
	Regularization = "regularization"
	Modular        = "modular"
	Meta           = "meta-learning"
)

// Method is one way to learn one thing after another: an entry of Methods.
type Method struct {
	Name     string
	Family   string
	Says     string // what it does, for people
	Settings Settings
	Grid     []Settings // tried on the first order; empty: Settings as they are

	frozen bool // learns nothing
	joint  bool // learns everything at once, in the steps of all phases
	tasks  bool // needs to know where one task ends and another begins

	// prepare changes a lesson before it is learned, finish looks at what was learned; both may be nil.
	prepare func(r *run, l *lesson) error
	finish  func(r *run, l *lesson) error
	// choose says which of the kept adapters answers a question of a column, −1 for r.params; nil: always r.params.
	choose func(r *run, column int, q train.Sequence) int
}

// lesson is what is learned in one phase.
type lesson struct {
	phase     int
	fresh     []train.Sequence
	rehearsed []train.Sequence
	options   train.Options
}

// source mixes new and rehearsed examples. A batch holds as many tokens whatever is in it, so that what is rehearsed takes
// the place of something new.
func (l *lesson) source(ratio float64) train.Source {
	if len(l.rehearsed) == 0 || ratio == 0 {
		return train.Shuffled(l.fresh)
	}
	return train.Mixed(l.fresh, l.rehearsed, ratio)
}

// Naive and Joint are the methods between which the gap lies.
const (
	Naive = "naive"
	Joint = "joint"
)

// Methods are all methods, in the order of the report.
func Methods() []Method {
	return []Method{
		{Name: "frozen", Family: Bounds, Says: "learns nothing", frozen: true},
		{Name: Naive, Family: Bounds, Says: "goes on training on what is new"},
		{Name: Joint, Family: Bounds, Says: "learns everything at once: what could be reached if nothing came late", joint: true},
		replay("replay 1 %", 0.01),
		replay("replay 5 %", 0.05),
		replay("replay 10 %", 0.10),
		{
			Name: "DER", Family: Rehearsal, Says: "rehearses 10 %, with half of the target from what the model said when they were new",
			Settings: Settings{Memory: 0.1, Ratio: 1, KL: 0.5}, Grid: []Settings{{Memory: 0.1, Ratio: 1, KL: 0.3}, {Memory: 0.1, Ratio: 1, KL: 0.5}, {Memory: 0.1, Ratio: 1, KL: 0.8}},
			finish: func(r *run, l *lesson) error { return r.teach(r.added, r.settings.KL) },
		},
		{
			Name: "shipped default", Family: Rehearsal, Says: "what a night does: rehearses as much as it learns, with half of the target from the champion",
			Settings: Settings{Memory: 1, Limit: 512, Ratio: 1, KL: 0.5},
			prepare:  func(r *run, l *lesson) error { return r.teach(l.rehearsed, r.settings.KL) },
		},
		{
			Name: "LwF", Family: Regularization, Says: "keeps to what the model before said, on the new questions",
			Settings: Settings{Distill: 0.3}, Grid: []Settings{{Distill: 0.1}, {Distill: 0.3}, {Distill: 0.5}},
			prepare: func(r *run, l *lesson) error {
				if l.phase == 0 {
					return nil // there is nothing to keep to yet
				}
				return r.teach(l.fresh, r.settings.Distill)
			},
		},
		{Name: "adapter a task, told which", Family: Modular, Says: "an adapter of its own for each task, and somebody who knows which to use", tasks: true,
			prepare: fresh, finish: keep,
			choose: func(r *run, column int, _ train.Sequence) int { return min(column, len(r.kept)-1) }},
		{Name: "adapter a task, routed", Family: Modular, Says: "an adapter of its own for each task, chosen by the words of the question", tasks: true,
			prepare: fresh, finish: keep,
			choose: func(r *run, _ int, q train.Sequence) int { return r.router.route(q.Tokens[:q.Prompt]) }},
	}
}

// replay rehearses a share of what was learned.
func replay(name string, share float64) Method {
	return Method{Name: name, Family: Rehearsal, Says: "rehearses a random sample of what was learned",
		Settings: Settings{Memory: share, Ratio: 1}, Grid: []Settings{{Memory: share, Ratio: 0.25}, {Memory: share, Ratio: 1}}}
}

// fresh begins an adapter anew.
func fresh(r *run, _ *lesson) error {
	copy(r.params, r.begin)
	return nil
}

// keep keeps the adapter of a task, and learns which words its questions have.
func keep(r *run, l *lesson) error {
	r.kept = append(r.kept, slices.Clone(r.params))
	r.router.learn(l.fresh)
	return nil
}

// router tells tasks apart by the tokens of a question: a naive Bayes classifier with the same prior for each task and one
// count added to every token (Laplace smoothing). Counts of one task do not change with another, so that it forgets nothing.
type router struct {
	vocab  int
	counts []map[int32]float64
	totals []float64
}

// learn adds a task.
func (r *router) learn(list []train.Sequence) {
	counts, total := map[int32]float64{}, 0.0
	for _, q := range list {
		for _, t := range q.Tokens[:q.Prompt] {
			counts[t]++
			total++
		}
	}
	r.counts, r.totals = append(r.counts, counts), append(r.totals, total)
}

// route is the most probable task of a question, of equals the first; −1 when there is none.
func (r *router) route(prompt []int32) int {
	best, at := 0.0, -1
	for task, counts := range r.counts {
		score := 0.0
		for _, t := range prompt {
			score += math.Log((counts[t] + 1) / (r.totals[task] + float64(r.vocab)))
		}
		if at < 0 || score > best {
			best, at = score, task
		}
	}
	return at
}

// remember adds a share of what was learned to the memory, and drops at random what is over the limit.
func (r *run) remember(list []train.Sequence, random *rand.Rand) {
	r.added = nil
	if r.settings.Memory == 0 {
		return
	}
	n := max(1, int(r.settings.Memory*float64(len(list))+0.5))
	for _, at := range random.Perm(len(list))[:min(n, len(list))] {
		r.memory = append(r.memory, list[at])
	}
	r.added = r.memory[len(r.memory)-min(n, len(list)):]
	if r.settings.Limit > 0 && len(r.memory) > r.settings.Limit {
		random.Shuffle(len(r.memory), func(i, j int) { r.memory[i], r.memory[j] = r.memory[j], r.memory[i] })
		r.memory = r.memory[:r.settings.Limit]
		r.added = nil
	}
}
