package walkthrough

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"

	"nightshift/models/demo"
	"nightshift/serve/api/wire"
)

// question is one that has a right answer.
type question struct {
	fact demo.Fact
	text string
	want string // the value that is right once the shop has changed its mind
}

// questions lists what is asked: of every fact the questions that neither the corpus nor any correction uses, split by
// whether the fact changes.
func questions() (changed, unchanged []question) {
	values := map[string]string{}
	for _, c := range demo.Changes() {
		values[c.Fact] = c.New
	}
	for _, f := range demo.Facts() {
		for _, text := range f.Questions(demo.Demo) {
			if v, ok := values[f.ID]; ok {
				changed = append(changed, question{f, text, v})
			} else {
				unchanged = append(unchanged, question{f, text, f.Value})
			}
		}
	}
	return changed, unchanged
}

// askAll asks every question, four at a time, and returns the answers in order.
func (c *client) askAll(ctx context.Context, model string, list []question) ([]Answer, error) {
	answers := make([]Answer, len(list))
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for range cap(errs) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				a, err := c.ask(ctx, model, "", list[i].text)
				if err != nil {
					errs <- fmt.Errorf("ask %q: %w", list[i].text, err)
					return
				}
				answers[i] = a
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
		return answers, nil
	}
}

// right is the share of answers with the wanted value and no other.
func right(list []question, answers []Answer) float64 {
	n := 0
	for i, q := range list {
		if q.fact.RightFor(answers[i].Text, q.want) {
			n++
		}
	}
	return float64(n) / float64(len(list))
}

// wrong lists the questions whose answer is not right, with the answer.
func wrong(list []question, answers []Answer) []string {
	var lines []string
	for i, q := range list {
		if !q.fact.RightFor(answers[i].Text, q.want) {
			lines = append(lines, fmt.Sprintf("%s: %q → %q", q.fact.ID, q.text, answers[i].Text))
		}
	}
	return lines
}

// sameTexts says whether two rounds gave the same answers, byte for byte.
func sameTexts(a, b []Answer) bool {
	for i := range a {
		if a[i].Text != b[i].Text {
			return false
		}
	}
	return len(a) == len(b)
}

// customers are simulated people who know what has changed.
type customers struct {
	people      int // how many
	corrections int // wrong answers that each corrects
	approvals   int // right answers that each approves
	seed        uint64
}

// teach lets every customer ask, thumb down and correct answers about changed facts, and approve right ones about
// others. Their questions are phrased as neither the corpus nor the final questions are.
func (c *client) teach(ctx context.Context, who customers) (corrected, approved int, err error) {
	r := rand.New(rand.NewPCG(who.seed, 0x73686f70)) //nolint:gosec // reproducible, not secret
	changes := demo.Changes()
	changing := map[string]bool{}
	for _, ch := range changes {
		changing[ch.Fact] = true
	}
	var steady []demo.Fact
	for _, f := range demo.Facts() {
		if !changing[f.ID] {
			steady = append(steady, f)
		}
	}
	turn := 0
	for p := range who.people {
		name := fmt.Sprintf("customer-%02d", p+1)
		for range who.corrections {
			ch := changes[turn%len(changes)]
			turn++
			f, _ := demo.FactByID(ch.Fact)
			sentences := ch.Corrections()
			if err := c.correct(ctx, r, name, f, ch.New, sentences[r.IntN(len(sentences))]); err != nil {
				return corrected, approved, err
			}
			corrected++
		}
		for range who.approvals {
			f := steady[r.IntN(len(steady))]
			ok, err := c.approve(ctx, r, name, f)
			if err != nil {
				return corrected, approved, err
			}
			if ok {
				approved++
			}
		}
	}
	return corrected, approved, nil
}

// correct asks about a changed fact and corrects the answer, unless it is right already.
func (c *client) correct(ctx context.Context, r *rand.Rand, name string, f demo.Fact, value, sentence string) error {
	list := f.Questions(demo.Correction)
	a, err := c.ask(ctx, "default", name, list[r.IntN(len(list))])
	if err != nil {
		return err
	}
	if f.RightFor(a.Text, value) {
		return nil
	}
	return c.rate(ctx, name, a, wire.Feedback{Rating: new(-1.0), Correction: &sentence})
}

// approve asks about another fact and approves the answer if it is right.
func (c *client) approve(ctx context.Context, r *rand.Rand, name string, f demo.Fact) (bool, error) {
	list := f.Questions(demo.Correction)
	a, err := c.ask(ctx, "default", name, list[r.IntN(len(list))])
	if err != nil || !f.Right(a.Text) {
		return false, err
	}
	return true, c.rate(ctx, name, a, wire.Feedback{Rating: new(1.0)})
}

// rate posts feedback on an answer.
func (c *client) rate(ctx context.Context, name string, a Answer, feedback wire.Feedback) error {
	feedback.Interaction, feedback.Token, feedback.User = a.Interaction, a.Token, name
	return c.call(ctx, http.MethodPost, "/v1/feedback", feedback, nil)
}
