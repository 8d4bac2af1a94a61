package simulation

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

// Corrections is what the first hour of a shop's owner comes to, fact by fact: one question is asked, an editor corrects its
// answer, a night runs. Each fact has an installation of its own.
type Corrections struct {
	Setup
	Facts int // facts, one after the other
	Seed  uint64
	Tell  func(done, total int, c Corrected)
}

// Corrected is what became of one correction.
type Corrected struct {
	Fact       string `json:"fact"`
	Value      string `json:"value"` // the new one
	Question   string `json:"question"`
	Answer     string `json:"answer"`
	Correction string `json:"correction"`

	State   nightrecord.State `json:"state"`
	Reason  string            `json:"reason,omitempty"`
	Steps   int               `json:"steps"`
	Drift   float64           `json:"drift"` // nats per token
	Seconds float64           `json:"night_seconds"`

	Asked  bool     `json:"right"`        // the same question is answered with the new value
	Others int      `json:"others"`       // other phrasings, which nobody used
	Right  int      `json:"others_right"` // of them, answered with the new value
	Steady int      `json:"unchanged"`    // questions about other facts that were answered rightly before
	Lost   []string `json:"lost"`         // of them, those that are not any more, each with its answer
}

// enoughOthers is the share of other phrasings that a correction must reach.
const enoughOthers = 0.8

// Fell says what a correction falls short of, "" for nothing.
func (c Corrected) Fell() string {
	switch {
	case c.State != nightrecord.Published:
		return fmt.Sprintf("%s: the night is %s: %s", c.Fact, c.State, c.Reason)
	case !c.Asked:
		return c.Fact + ": the corrected question is answered otherwise"
	case float64(c.Right) < enoughOthers*float64(c.Others):
		return fmt.Sprintf("%s: %d of %d other phrasings are right", c.Fact, c.Right, c.Others)
	case len(c.Lost) > 0:
		return fmt.Sprintf("%s: %d answers about other facts are wrong now", c.Fact, len(c.Lost))
	}
	return ""
}

// Run corrects the facts and returns what became of them.
func (c Corrections) Run(ctx context.Context) ([]Corrected, error) {
	if c.Facts < 1 {
		return nil, fmt.Errorf("correct facts: %d facts are none", c.Facts)
	}
	r := rand.New(rand.NewPCG(c.Seed, 0x656469746f72)) //nolint:gosec // reproducible, not secret
	facts := demo.Facts()
	r.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	var list []Corrected
	for i, f := range facts[:min(c.Facts, len(facts))] {
		one, err := c.one(ctx, f, pick(r, f.Rivals), pick(r, f.Questions(demo.Correction)), uint64(i+1))
		if err != nil {
			return list, fmt.Errorf("correct %s: %w", f.ID, err)
		}
		list = append(list, one)
		if c.Tell != nil {
			c.Tell(len(list), min(c.Facts, len(facts)), one)
		}
	}
	return list, nil
}

// one corrects one fact in a shop of its own.
func (c Corrections) one(ctx context.Context, f demo.Fact, value, question string, seed uint64) (o Corrected, err error) {
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
	answers, err := c.Clerk.answers(ctx, s, "", []string{question})
	if err != nil {
		return o, err
	}
	o = Corrected{Fact: f.ID, Value: value, Question: question, Answer: answers[0], Correction: edit(f, answers[0], value)}
	v := visit{id: "visit", person: "owner", at: opening.Add(-time.Minute), told: opening.Add(-time.Second), question: question, answer: o.Answer, correction: o.Correction, editor: true}
	if err := s.tell(ctx, []visit{v}); err != nil {
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
	return o, c.examine(ctx, s, f, n.Candidate.Digest, &o)
}

// edit is an answer as a person makes it right who changes as little as can be: the new value in the place of the old one, or
// another sentence where that is not in it.
func edit(f demo.Fact, answer, value string) string {
	if strings.Contains(answer, f.Value) {
		return strings.Replace(answer, f.Value, value, 1)
	}
	return f.Answers(value)[0]
}

// examine asks the candidate about the corrected fact and about all others.
func (c Corrections) examine(ctx context.Context, s *shop, f demo.Fact, digest string, o *Corrected) error {
	exams := append([]exam{{f, o.Value, o.Question}}, examOf(f, o.Value)...)
	o.Others = len(exams) - 1
	for _, other := range demo.Facts() {
		if other.ID != f.ID {
			exams = append(exams, examOf(other, other.Value)[:2]...)
		}
	}
	questions := make([]string, len(exams))
	for i, e := range exams {
		questions[i] = e.text
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
		right := e.fact.RightFor(after[i], e.value)
		switch {
		case i == 0:
			o.Asked = right
		case i <= o.Others && right:
			o.Right++
		case i > o.Others && e.fact.RightFor(before[i], e.value):
			o.Steady++
			if !right {
				o.Lost = append(o.Lost, e.fact.ID+": "+after[i])
			}
		}
	}
	return nil
}

// CorrectionsTable prints what became of corrections.
func CorrectionsTable(out io.Writer, list []Corrected) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var asked, right, others, steady, lost, steps int
	var seconds []float64
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) } //nolint:errcheck // flushed with its error below
	line("fact\tnew value\tnight\tsteps\tseconds\tasked\tin other words\tothers lost")
	for _, c := range list {
		said := "wrong"
		if c.Asked {
			said, asked = "right", asked+1
		}
		right, others, steady, lost, steps = right+c.Right, others+c.Others, steady+c.Steady, lost+len(c.Lost), steps+c.Steps
		seconds = append(seconds, c.Seconds)
		line("%s\t%s\t%s\t%d\t%.0f\t%s\t%d of %d\t%d of %d", c.Fact, c.Value, c.State, c.Steps, c.Seconds, said, c.Right, c.Others, len(c.Lost), c.Steady)
	}
	if n := len(list); n > 0 {
		slices.Sort(seconds)
		line("all\t\t\t%d\t%.0f\t%d of %d\t%d of %d\t%d of %d", steps/n, seconds[n/2], asked, n, right, others, lost, steady)
	}
	return t.Flush()
}
