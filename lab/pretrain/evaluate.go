package pretrain

import (
	"context"
	"fmt"
	"strings"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/models/demo"
	"nightshift/models/template"
)

// Quality is what a model knows of the shop.
type Quality struct {
	Facts    float64        `json:"facts_right"` // share of questions answered with the right fact
	Asked    int            `json:"facts_asked"`
	Refusals float64        `json:"refused"` // share of foreign questions that were refused
	Foreign  int            `json:"foreign_asked"`
	Wrong    map[string]int `json:"wrong,omitempty"` // wrong answers a fact
	Examples []string       `json:"examples,omitempty"`
}

// Marked is an answer and whether it is right.
type Marked struct {
	Fact             string // that the question is about; "" when it is foreign, and to refuse it is right
	Question, Answer string
	Right            bool
}

// Evaluate asks a running engine's model the questions of a group, greedily.
func Evaluate(ctx context.Context, e *engine.Engine, group demo.Group) (Quality, error) {
	list, err := Examine(ctx, e, group)
	return Summarize(list), err
}

// Examine asks a running engine's model the questions of a group, greedily, in the same order each time.
func Examine(ctx context.Context, e *engine.Engine, group demo.Group) ([]Marked, error) {
	var list []Marked
	var questions []string
	var right []func(answer string) bool
	add := func(fact, question string, is func(string) bool) {
		list, questions, right = append(list, Marked{Fact: fact, Question: question}), append(questions, question), append(right, is)
	}
	for _, f := range demo.Facts() {
		for _, text := range f.Questions(group) {
			add(f.ID, text, f.Right)
		}
	}
	for _, x := range demo.Refusals(group) {
		add("", x.Question, demo.Refused)
	}
	answers, err := Ask(ctx, e, questions)
	if err != nil {
		return nil, err
	}
	for i, a := range answers {
		list[i].Answer, list[i].Right = a, right[i](a)
	}
	return list, nil
}

// Summarize counts what was right.
func Summarize(list []Marked) Quality {
	q := Quality{Wrong: map[string]int{}}
	right, refused := 0, 0
	for _, m := range list {
		switch {
		case m.Fact == "":
			q.Foreign++
			if m.Right {
				refused++
			}
			continue
		case m.Right:
			right++
		default:
			q.Wrong[m.Fact]++
			if len(q.Examples) < 40 {
				q.Examples = append(q.Examples, fmt.Sprintf("%s: %s → %s", m.Fact, m.Question, m.Answer))
			}
		}
		q.Asked++
	}
	q.Facts, q.Refusals = share(right, q.Asked), share(refused, q.Foreign)
	return q
}

// Kept is the share of the facts, and that of the refusals, which were right before and are right after. Both lists are of the same
// questions in the same order.
func Kept(before, after []Marked) (facts, refusals float64) {
	var had, has [2]int
	for i, m := range before {
		kind := 0
		if m.Fact == "" {
			kind = 1
		}
		if m.Right {
			had[kind]++
			if after[i].Right {
				has[kind]++
			}
		}
	}
	return share(has[0], had[0]), share(has[1], had[1])
}

// share is n of all; 0 of none.
func share(n, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(n) / float64(all)
}

// Ask lets the base model answer questions greedily, in batches.
func Ask(ctx context.Context, e *engine.Engine, questions []string) ([]string, error) {
	answers := make([]string, len(questions))
	const window = 64
	for start := 0; start < len(questions); start += window {
		end := min(len(questions), start+window)
		streams := make([]*engine.Stream, 0, window)
		for _, text := range questions[start:end] {
			ids, err := e.Model().ChatTokens([]template.Message{{Role: demo.User, Content: text}})
			if err != nil {
				return nil, err
			}
			pin, _ := e.Bank().Pin("")
			s, err := e.Submit(ctx, engine.Request{Prompt: ids, Pin: pin, MaxTokens: 64, Sampling: sampling.Params{}})
			if err != nil {
				return nil, err
			}
			streams = append(streams, s)
		}
		for i, s := range streams {
			var b strings.Builder
			for p := range s.Pieces {
				b.WriteString(p.Text)
			}
			if r := s.Result(); r.Err != nil {
				return nil, fmt.Errorf("answer %q: %w", questions[start+i], r.Err)
			}
			answers[start+i] = b.String()
		}
	}
	return answers, nil
}
