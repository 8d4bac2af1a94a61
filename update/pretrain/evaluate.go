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

// Evaluate asks a running engine's model the questions of a group, greedily.
func Evaluate(ctx context.Context, e *engine.Engine, group demo.Group) (Quality, error) {
	q := Quality{Wrong: map[string]int{}}
	var questions []string
	var facts []demo.Fact
	for _, f := range demo.Facts() {
		for _, text := range f.Questions(group) {
			questions = append(questions, text)
			facts = append(facts, f)
		}
	}
	answers, err := Ask(ctx, e, questions)
	if err != nil {
		return q, err
	}
	right := 0
	for i, a := range answers {
		if facts[i].Right(a) {
			right++
			continue
		}
		q.Wrong[facts[i].ID]++
		if len(q.Examples) < 40 {
			q.Examples = append(q.Examples, fmt.Sprintf("%s: %s → %s", facts[i].ID, questions[i], a))
		}
	}
	q.Asked, q.Facts = len(answers), float64(right)/float64(len(answers))
	var foreign []string
	for _, x := range demo.Refusals(group) {
		foreign = append(foreign, x.Question)
	}
	if answers, err = Ask(ctx, e, foreign); err != nil {
		return q, err
	}
	refused := 0
	for _, a := range answers {
		if demo.Refused(a) {
			refused++
		}
	}
	if q.Foreign = len(answers); q.Foreign > 0 {
		q.Refusals = float64(refused) / float64(q.Foreign)
	}
	return q, nil
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
