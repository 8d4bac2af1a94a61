package anchors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/engine"
	"nightshift/models/template"
)

// Bounds on the tokens of an answer.
const (
	longest = 64 // are made at most
	room    = 16 // must have room in the model's context
)

// asking is how many questions are in the engine at a time: as many as it decodes together, and some that are ready.
const (
	together = 16
	asking   = together + 8
)

// Answer is what came of a question.
type Answer struct {
	Example
	Left string `json:"left,omitempty"` // why it is left out
}

// Options say how a model is asked.
type Options struct {
	Threads int
	// Progress, which may be nil, is told how many questions are answered. It is called by one goroutine at a time.
	Progress func(done, total int)
}

// Ask has the base model answer questions greedily, many at a time. The answers are in the order of the questions.
func Ask(ctx context.Context, model *engine.Model, questions []Question, opt Options) (answers []Answer, err error) {
	e, err := engine.New(model, engine.Config{Threads: opt.Threads, Slots: together, BankRows: 2, MaxRank: 8, PrefixCache: -1})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(running) }()
	defer func() {
		stop()
		if failed := <-ended; failed != nil && !errors.Is(failed, context.Canceled) {
			err = errors.Join(err, failed)
		}
		if ctx.Err() != nil { // requests may say that the engine has stopped
			err = context.Cause(ctx)
		}
	}()
	return askAll(running, e, questions, opt)
}

// askAll keeps the engine busy until all questions are answered.
func askAll(ctx context.Context, e *engine.Engine, questions []Question, opt Options) ([]Answer, error) {
	answers := make([]Answer, len(questions))
	var mu sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asking)
	for i, q := range questions {
		group.Go(func() (err error) {
			if answers[i], err = ask(ctx, e, q); err != nil {
				return fmt.Errorf("answer %q: %w", q.Messages[len(q.Messages)-1].Content, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if done++; opt.Progress != nil {
				opt.Progress(done, len(questions))
			}
			return nil
		})
	}
	return answers, group.Wait()
}

// ask has one question answered. A template that refuses the conversation, and a context that has no room, leave it out.
func ask(ctx context.Context, e *engine.Engine, q Question) (Answer, error) {
	m := e.Model()
	a := Answer{Example: Example{Messages: q.asked(m.Template != nil)}}
	prompt, err := promptOf(m, q)
	if err != nil || len(prompt) == 0 || len(prompt)+room > m.Config.Context {
		a.Left = Unasked
		return a, nil //nolint:nilerr // other questions may do
	}
	pin, _ := e.Bank().Pin("") // the base model is always there
	s, err := e.Submit(ctx, engine.Request{Prompt: prompt, Pin: pin, MaxTokens: longest, GoesOn: m.Template == nil})
	if err != nil {
		return a, err
	}
	var text strings.Builder
	var tokens []int32
	for p := range s.Pieces {
		text.WriteString(p.Plain)
		if p.HasToken && !p.End {
			tokens = append(tokens, p.Token)
		}
	}
	r := s.Result()
	if r.Err != nil {
		return a, r.Err
	}
	a.Completion, a.Open, a.Left = judge(text.String(), tokens, r.Finish == engine.FinishStop)
	return a, nil
}

// promptOf are the tokens that a question is asked with, as a server would ask it.
func promptOf(m *engine.Model, q Question) ([]int32, error) {
	messages := q.asked(m.Template != nil)
	if m.Template == nil {
		return m.Tokenizer.EncodeWhole(nil, messages[0].Content), nil
	}
	list := make([]template.Message, len(messages))
	for i, msg := range messages {
		list[i] = template.Message{Role: msg.Role, Content: msg.Content}
	}
	return m.ChatTokens(list)
}

// EncodeAnswers writes answers, one a line.
func EncodeAnswers(list []Answer) ([]byte, error) { return encode(list) }

// DecodeAnswers reads what EncodeAnswers wrote.
func DecodeAnswers(data []byte) ([]Answer, error) { return decode[Answer](data) }

// EncodeQuestions writes questions, one a line.
func EncodeQuestions(list []Question) ([]byte, error) { return encode(list) }

// DecodeQuestions reads what EncodeQuestions wrote.
func DecodeQuestions(data []byte) ([]Question, error) { return decode[Question](data) }
