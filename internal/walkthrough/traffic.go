package walkthrough

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"nightshift/models/demo"
)

// traffic is streams that go on while versions are swapped.
type traffic struct {
	client    *client
	questions []demo.Question
	stop      chan struct{}
	wg        sync.WaitGroup
	next      atomic.Int64

	mu      sync.Mutex
	answers []streamed
	failed  []string
}

// streamed is one streamed answer.
type streamed struct {
	question int
	answer   Answer
}

// pace is the minimum time between two questions of a stream: streams that never pause would leave the night no processor.
const pace = 50 * time.Millisecond

// startTraffic keeps n streams running until end is called.
func startTraffic(ctx context.Context, c *client, list []demo.Question, n int) *traffic {
	t := &traffic{client: c, questions: list, stop: make(chan struct{})}
	for range n {
		t.wg.Go(func() {
			next := time.NewTicker(pace)
			defer next.Stop()
			for {
				select {
				case <-t.stop:
					return
				case <-next.C:
				}
				i := int(t.next.Add(1)-1) % len(list)
				a, err := c.stream(ctx, "default", list[i].Text)
				t.mu.Lock()
				if err != nil {
					t.failed = append(t.failed, err.Error())
				} else {
					t.answers = append(t.answers, streamed{i, a})
				}
				t.mu.Unlock()
			}
		})
	}
	return t
}

// end waits for the streams to finish.
func (t *traffic) end() {
	close(t.stop)
	t.wg.Wait()
}

// mixed counts streamed answers that are not what the version they name answers: the header and every chunk must name
// one version, and the text must be, byte for byte, what that version says when it is asked alone.
func (t *traffic) mixed(ctx context.Context) (mixed int, versions map[string]int, err error) {
	versions = map[string]int{}
	alone := map[string][]Answer{}
	for _, s := range t.answers {
		versions[s.answer.Model]++
		if _, ok := alone[s.answer.Model]; !ok {
			if alone[s.answer.Model], err = t.client.askAll(ctx, s.answer.Model, t.questions); err != nil {
				return 0, nil, err
			}
		}
		if s.answer.Header != s.answer.Model || s.answer.Text != alone[s.answer.Model][s.question].Text {
			mixed++
		}
	}
	return mixed, versions, nil
}
