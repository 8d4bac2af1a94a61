package seasons

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/models/demo"
)

// Corrections is what the first hour of a shop comes to: some questions are asked, their answers corrected, and a night runs. Each night has an
// installation of its own.
type Corrections struct {
	Setup
	Facts  int // facts to correct, one a night of an editor, two a night of others
	People int // who give feedback, in words of their own; 0: an editor, who corrects one question
	Seed   uint64
	Tell   func(done, total int, c Corrected)
}

// What people correct in a night.
const (
	togetherFacts = 2
	togetherSaid  = 20
)

// Corrected is what became of a night's corrections.
type Corrected struct {
	Facts   []demo.Change     `json:"facts"`
	Editor  bool              `json:"editor"`
	Said    []Said            `json:"said"`
	State   nightrecord.State `json:"state"`
	Reason  string            `json:"reason,omitempty"`
	Steps   int               `json:"steps"`
	Drift   float64           `json:"drift"` // nats per token
	Seconds float64           `json:"night_seconds"`

	Asked  int      `json:"asked_right"`  // corrected questions that are answered with the new value
	Others int      `json:"others"`       // other phrasings, which nobody used
	Right  int      `json:"others_right"` // of them, answered with the new value
	Steady int      `json:"unchanged"`    // questions about other facts that were answered rightly before
	Lost   []string `json:"lost"`         // of them, those that are not any more, each with its answer
}

// Said is one correction.
type Said struct {
	Fact       string `json:"fact"`
	Question   string `json:"question"`
	Answer     string `json:"answer"`
	Correction string `json:"correction"`
}

// What a night must reach, as shares: an editor's one correction is held to fewer phrasings than twenty of others are, and to no loss at all.
const (
	enoughOfOne  = 0.8
	enoughOfMany = 0.9
	lostOfMany   = 0.01
)

// String names the facts and their new values.
func (c Corrected) String() string {
	var list []string
	for _, f := range c.Facts {
		list = append(list, f.Fact+" "+f.New)
	}
	return strings.Join(list, ", ")
}

// Fell says what a night falls short of, "" for nothing.
func (c Corrected) Fell() string {
	enough, lost := enoughOfMany, lostOfMany
	if c.Editor {
		enough, lost = enoughOfOne, 0
	}
	switch {
	case c.State != nightrecord.Published:
		return fmt.Sprintf("%s: the night is %s: %s", c, c.State, c.Reason)
	case float64(c.Asked) < enough*float64(len(c.Said)):
		return fmt.Sprintf("%s: %d of %d corrected questions are right", c, c.Asked, len(c.Said))
	case float64(c.Right) < enough*float64(c.Others):
		return fmt.Sprintf("%s: %d of %d other phrasings are right", c, c.Right, c.Others)
	case float64(len(c.Lost)) > lost*float64(c.Steady):
		return fmt.Sprintf("%s: %d answers about other facts are wrong now", c, len(c.Lost))
	}
	return ""
}

// Run corrects the facts and returns what became of them, night by night.
func (c Corrections) Run(ctx context.Context) ([]Corrected, error) {
	each := 1
	if c.People > 0 {
		each = togetherFacts
	}
	if c.Facts < each || c.People < 0 {
		return nil, fmt.Errorf("correct facts: %d facts by %d people, want at least %d facts and no negative number of people", c.Facts, c.People, each)
	}
	r := rand.New(rand.NewPCG(c.Seed, 0x656469746f72)) //nolint:gosec // reproducible, not secret
	facts := demo.Facts()
	r.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	var list []Corrected
	total := min(c.Facts, len(facts)) / each
	for i := range total {
		one, err := c.one(ctx, r, facts[i*each:(i+1)*each], uint64(i+1))
		if err != nil {
			return list, fmt.Errorf("correct facts of night %d: %w", i+1, err)
		}
		list = append(list, one)
		if c.Tell != nil {
			c.Tell(len(list), total, one)
		}
	}
	return list, nil
}

// one corrects facts in a shop of its own.
func (c Corrections) one(ctx context.Context, r *rand.Rand, facts []demo.Fact, seed uint64) (o Corrected, err error) {
	dir, err := os.MkdirTemp("", "nightshift-corrections-")
	if err != nil {
		return o, fmt.Errorf("make a directory for a night: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what was measured is kept elsewhere
	s, err := openShop(dir, seed, c.Setup)
	if err != nil {
		return o, err
	}
	defer func() { err = closing(err, s) }()
	o.Editor = c.People == 0
	for _, f := range facts {
		o.Facts = append(o.Facts, demo.Change{Fact: f.ID, New: pick(r, f.Rivals)})
	}
	visits := c.visits(r, facts, o.Facts)
	questions := make([]string, len(visits))
	for i, v := range visits {
		questions[i] = v.question
	}
	answers, err := c.Clerk.answers(ctx, s, "", questions)
	if err != nil {
		return o, err
	}
	for i := range visits {
		v := &visits[i]
		v.answer = answers[i]
		if v.editor {
			v.correction = edit(v.about, v.answer, o.Facts[0].New)
		}
		o.Said = append(o.Said, Said{Fact: v.about.ID, Question: v.question, Answer: v.answer, Correction: v.correction})
	}
	if err := s.tell(ctx, visits); err != nil {
		return o, err
	}
	begin := time.Now()
	n, err := s.night(ctx, s.now.Format(nightrecord.IDTime)+"-correction")
	if err != nil {
		return o, err
	}
	o.Seconds, o.State, o.Reason = time.Since(begin).Seconds(), n.State, n.Reason
	if n.Trained != nil {
		o.Steps = n.Trained.Steps
	}
	if n.Candidate == nil || n.Candidate.Version == 0 {
		return o, nil
	}
	var judged Outcome
	judged.read(n)
	o.Drift = judged.Drift
	return o, c.examine(ctx, s, facts, n.Candidate.Digest, &o)
}

// visits are the questions whose answers are corrected: one of an editor, a second ago; or of so many people in turn, hours ago, about the
// facts in turn, each with a correction in words of its own.
func (c Corrections) visits(r *rand.Rand, facts []demo.Fact, changes []demo.Change) []visit {
	if c.People == 0 {
		return []visit{{id: "visit", person: "owner", about: facts[0], at: opening.Add(-time.Minute), told: opening.Add(-time.Second), question: pick(r, facts[0].Questions(demo.Correction)), editor: true}}
	}
	pools := make([][]string, len(facts))
	for i, f := range facts {
		pools[i] = slices.Clone(f.Questions(demo.Correction))
		r.Shuffle(len(pools[i]), func(a, b int) { pools[i][a], pools[i][b] = pools[i][b], pools[i][a] })
	}
	list := make([]visit, togetherSaid)
	for i := range list {
		f, turn := i%len(facts), i/len(facts)
		at := opening.Add(-8*time.Hour + time.Duration(i)*10*time.Minute)
		list[i] = visit{id: fmt.Sprintf("visit-%02d", i), person: fmt.Sprintf("person-%d", i%c.People), about: facts[f], at: at, told: at.Add(time.Minute),
			question: pools[f][turn%len(pools[f])], correction: pick(r, facts[f].Answers(changes[f].New))}
	}
	return list
}

// edit is an answer as a person makes it right who changes as little as can be: the new value in the place of the old one, or
// another sentence where that is not in it.
func edit(f demo.Fact, answer, value string) string {
	if strings.Contains(answer, f.Value) {
		return strings.Replace(answer, f.Value, value, 1)
	}
	return f.Answers(value)[0]
}

// examine asks the candidate about the corrected facts and about all others.
func (c Corrections) examine(ctx context.Context, s *shop, facts []demo.Fact, digest string, o *Corrected) error {
	const corrected, changed, unchanged = 0, 1, 2
	var exams []demo.Question
	var kinds []int
	add := func(kind int, list ...demo.Question) {
		exams = append(exams, list...)
		kinds = append(kinds, slices.Repeat([]int{kind}, len(list))...)
	}
	for i, f := range facts {
		for _, said := range o.Said {
			if said.Fact == f.ID {
				add(corrected, demo.Question{Fact: f, Text: said.Question, Want: o.Facts[i].New})
			}
		}
		add(changed, f.Exam(o.Facts[i].New)...)
	}
	for _, f := range demo.Facts() {
		if !slices.ContainsFunc(facts, func(x demo.Fact) bool { return x.ID == f.ID }) {
			add(unchanged, f.Exam(f.Value)[:2]...)
		}
	}
	questions := make([]string, len(exams))
	for i, e := range exams {
		questions[i] = e.Text
	}
	before, err := c.Clerk.answers(ctx, s, "", questions)
	if err != nil {
		return err
	}
	after, err := c.Clerk.answers(ctx, s, digest, questions)
	if err != nil {
		return err
	}
	for i, e := range exams {
		right := e.Right(after[i])
		switch {
		case kinds[i] == corrected && right:
			o.Asked++
		case kinds[i] == changed:
			if o.Others++; right {
				o.Right++
			}
		case kinds[i] == unchanged && e.Right(before[i]):
			if o.Steady++; !right {
				o.Lost = append(o.Lost, e.Fact.ID+": "+after[i])
			}
		}
	}
	return nil
}

// CorrectionsTable prints what became of corrections.
func CorrectionsTable(out io.Writer, list []Corrected) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var said, asked, right, others, steady, lost, steps int
	var seconds []float64
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) } //nolint:errcheck // flushed with its error below
	line("corrected to\tnight\tsteps\tseconds\tasked\tin other words\tothers lost")
	for _, c := range list {
		said, asked = said+len(c.Said), asked+c.Asked
		right, others, steady, lost, steps = right+c.Right, others+c.Others, steady+c.Steady, lost+len(c.Lost), steps+c.Steps
		seconds = append(seconds, c.Seconds)
		line("%s\t%s\t%d\t%.0f\t%d of %d\t%d of %d\t%d of %d", c, c.State, c.Steps, c.Seconds, c.Asked, len(c.Said), c.Right, c.Others, len(c.Lost), c.Steady)
	}
	if n := len(list); n > 0 {
		slices.Sort(seconds)
		line("all\t\t%d\t%.0f\t%d of %d\t%d of %d\t%d of %d", steps/n, seconds[n/2], asked, said, right, others, lost, steady)
	}
	return t.Flush()
}
