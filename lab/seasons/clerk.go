package seasons

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/models/adapter"
	"nightshift/models/demo"
	"nightshift/models/template"
)

// Clerk answers questions with any version, greedily, through an engine as servers have it. It remembers its answers: an answer
// depends on version and question alone.
type Clerk struct {
	engine *engine.Engine
	stop   context.CancelFunc
	done   chan error

	mu    sync.Mutex
	known map[[2]string]string
}

// NewClerk starts an engine; Close ends it.
func NewClerk(model *engine.Model, threads int) (*Clerk, error) {
	e, err := engine.New(model, engine.Config{Threads: threads})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Clerk{engine: e, stop: stop, done: make(chan error, 1), known: map[[2]string]string{}}
	go func() { c.done <- e.Run(ctx) }()
	return c, nil
}

// Close ends the engine.
func (c *Clerk) Close() error {
	c.stop()
	err := <-c.done
	c.engine.Close()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// window is how many questions are asked at a time.
const window = 32

// answers lets a version of a shop answer.
func (c *Clerk) answers(ctx context.Context, s *shop, digest string, questions []string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if digest != "" {
		config, weights, err := s.files(digest)
		if err != nil {
			return nil, err
		}
		a, err := adapter.Parse(config, weights)
		if err != nil {
			return nil, err
		}
		if err := c.engine.Bank().Install(digest, a); err != nil {
			return nil, err
		}
	}
	var fresh []string
	for _, q := range questions {
		if _, ok := c.known[[2]string{digest, q}]; !ok {
			fresh = append(fresh, q)
		}
	}
	for len(fresh) > 0 {
		n := min(window, len(fresh))
		if err := c.ask(ctx, digest, fresh[:n]); err != nil {
			return nil, err
		}
		fresh = fresh[n:]
	}
	list := make([]string, len(questions))
	for i, q := range questions {
		list[i] = c.known[[2]string{digest, q}]
	}
	return list, nil
}

// ask asks some questions at once.
func (c *Clerk) ask(ctx context.Context, digest string, questions []string) error {
	streams := make([]*engine.Stream, len(questions))
	for i, text := range questions {
		ids, err := c.engine.Model().ChatTokens([]template.Message{{Role: demo.User, Content: text}})
		if err != nil {
			return err
		}
		pin, ok := c.engine.Bank().Pin(digest)
		if !ok {
			return fmt.Errorf("ask version %s: it left the bank", digest)
		}
		if streams[i], err = c.engine.Submit(ctx, engine.Request{Prompt: ids, Pin: pin, MaxTokens: 64, Sampling: sampling.Params{}}); err != nil {
			return err
		}
	}
	for i, s := range streams {
		var b strings.Builder
		for p := range s.Pieces {
			b.WriteString(p.Text)
		}
		if r := s.Result(); r.Err != nil {
			return fmt.Errorf("answer %q: %w", questions[i], r.Err)
		}
		c.known[[2]string{digest, questions[i]}] = b.String()
	}
	return nil
}
