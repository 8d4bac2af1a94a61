package continual

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"nightshift/update/selection"
	"nightshift/update/train"
	"nightshift/update/train/method"
)

// Settings are what a method can be told: what is kept for rehearsal, who teaches, and the settings of nights. A field that is 0 is off.
type Settings struct {
	Memory  float64 `json:"memory,omitempty"`  // share of each phase's examples that is kept for rehearsal
	Diverse bool    `json:"diverse,omitempty"` // kept are those whose questions lie far apart, in place of a random sample
	Limit   int     `json:"limit,omitempty"`   // maximum number of examples that are kept
	Ratio   float64 `json:"ratio,omitempty"`   // rehearsed examples for each new one in a batch
	KL      float64 `json:"kl,omitempty"`      // share of a teacher in the targets of rehearsed examples
	Distill float64 `json:"distill,omitempty"` // share of a teacher in the targets of new examples

	method.Settings
}

// String writes what is on.
func (s Settings) String() string {
	var parts []string
	for _, f := range []struct {
		name  string
		value float64
	}{{"memory", s.Memory}, {"limit", float64(s.Limit)}, {"ratio", s.Ratio}, {"teacher", s.KL}, {"distillation", s.Distill},
		{"strength", s.Anchor + s.EWC + s.SI + s.Sparsity + s.Orthogonal}, {"γ", s.EWCKeep}, {"rounds of", float64(s.RoundSteps)}, {"share", s.RoundShare}} {
		if f.value != 0 {
			parts = append(parts, fmt.Sprintf("%s %g", f.name, f.value))
		}
	}
	if s.Diverse {
		parts = append(parts, "diverse")
	}
	return strings.Join(parts, ", ")
}

// Bounds is the family of what methods are compared with; the others are those of package method.
const Bounds = "bounds"

// Method is one way to learn one thing after another: an entry of Methods.
type Method struct {
	Key      string // names it for programs
	Name     string // for people
	Family   string // of a method that nights can be told to use it is that of their table
	Says     string // what it does, for people
	Weakness string // why it can keep little, known from how it works, for people; "" where nothing is
	Settings Settings
	Grid     []Settings // tried on the first order; empty: Settings as they are

	frozen bool // learns nothing
	joint  bool // learns everything at once, in the steps of all phases
	tasks  bool // needs to know where one task ends and another begins
	blocks bool // has an adapter that is wide enough for a block of the budget's rank for each task

	// prepare does what no setting of a night does before a phase is learned, finish what none does after; both may be nil.
	prepare func(r *run, f *method.Run) error
	finish  func(r *run, f *method.Run) error
	// choose says which of the kept adapters answers a question of a column, −1 for r.params; nil: always r.params.
	choose func(r *run, column int, q train.Sequence) int
}

// Naive and Joint are the methods between which the gap lies.
const (
	Naive = "naive"
	Joint = "joint"
)

// Methods are all methods, in the order of the report.
func Methods() []Method {
	list := slices.Concat(bounds(), rehearsing(), regularizing(), modular(), metaLearning())
	for i, m := range list {
		list[i].Family = cmp.Or(m.Family, m.Settings.family())
	}
	return list
}

// family is that of the first method of the table that is on, "" where none is.
func (s Settings) family() string {
	keys := s.On()
	for _, m := range method.Table {
		if slices.Contains(keys, m.Key) {
			return m.Family
		}
	}
	return ""
}

// bounds are what methods are compared with.
func bounds() []Method {
	return []Method{
		{Key: "frozen", Name: "frozen", Family: Bounds, Says: "learns nothing", frozen: true},
		{Key: "naive", Name: Naive, Family: Bounds, Says: "goes on training on what is new"},
		{Key: "joint", Name: Joint, Family: Bounds, Says: "learns everything at once: what could be reached if nothing came late", joint: true},
	}
}

// remember adds a share of what was learned to the memory, and drops at random what is over the limit.
func (r *run) remember(list []train.Sequence, random *rand.Rand) error {
	r.added = nil
	if r.settings.Memory == 0 {
		return nil
	}
	n := min(len(list), max(1, int(r.settings.Memory*float64(len(list))+0.5)))
	if r.settings.Diverse {
		some, err := diverse(r.learner.model, list, n)
		if err != nil {
			return err
		}
		r.memory = append(r.memory, some...)
	} else {
		for _, at := range random.Perm(len(list))[:n] {
			r.memory = append(r.memory, list[at])
		}
	}
	r.added = r.memory[len(r.memory)-n:]
	if r.settings.Limit > 0 && len(r.memory) > r.settings.Limit {
		random.Shuffle(len(r.memory), func(i, j int) { r.memory[i], r.memory[j] = r.memory[j], r.memory[i] })
		r.memory = r.memory[:r.settings.Limit]
		r.added = nil
	}
	return nil
}

// diverse picks n of a list, as a night's selection by diversity does.
func diverse(m *Model, list []train.Sequence, n int) ([]train.Sequence, error) {
	table, err := m.Checkpoint.Floats(m.Base.Config.Embedding())
	if err != nil {
		return nil, fmt.Errorf("embed questions: %w", err)
	}
	texts := make([][]int32, len(list))
	items := make([]selection.Item, len(list))
	for i, q := range list {
		texts[i] = q.Tokens[:q.Prompt]
		items[i].ID = strconv.Itoa(i)
	}
	some := make([]train.Sequence, 0, n)
	for _, it := range selection.DiverseSample(items, selection.Embed(table, m.Base.Config.Width, texts), n) {
		i, err := strconv.Atoi(it.ID)
		if err != nil {
			return nil, fmt.Errorf("pick diverse questions: %w", err)
		}
		some = append(some, list[i])
	}
	return some, nil
}
