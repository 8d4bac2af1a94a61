package engine

import (
	"context"
	"errors"
	"sync/atomic"
)

// counters are the engine's running totals.
type counters struct {
	requests, refused, cancelled, expired, failed, promptTokens, answerTokens, steps, rows, active, hits, cached atomic.Int64
}

// Stats are totals since the start, and the present state.
type Stats struct {
	Requests, Refused, Cancelled, PromptTokens, AnswerTokens int64
	Expired                                                  int64 // were in the queue for longer than they may
	Failed                                                   int64 // ended by a failed step
	Steps, StepRows                                          int64 // decode steps, and the rows they carried
	Waiting, Active                                          int64
	WaitingTokens                                            int64 // that waiting requests may take, prompt and answer
	PrefixHits, CachedTokens                                 int64 // prompts whose beginning was known, and its tokens
}

// Stats reads the counters.
func (e *Engine) Stats() Stats {
	s := &e.stats
	waiting, tokens := e.queue.size()
	return Stats{Requests: s.requests.Load(), Refused: s.refused.Load(), Cancelled: s.cancelled.Load(), PromptTokens: s.promptTokens.Load(),
		AnswerTokens: s.answerTokens.Load(), Expired: s.expired.Load(), Failed: s.failed.Load(), Steps: s.steps.Load(), StepRows: s.rows.Load(),
		Waiting: int64(waiting), Active: s.active.Load(), WaitingTokens: int64(tokens),
		PrefixHits: s.hits.Load(), CachedTokens: s.cached.Load()}
}

// ended counts why a sequence ended.
func (c *counters) ended(err error) {
	var busy *BusyError
	switch {
	case err == nil, errors.Is(err, ErrClosed):
	case errors.As(err, &busy):
		c.expired.Add(1)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		c.cancelled.Add(1)
	default:
		c.failed.Add(1)
	}
}

// recalled counts the tokens of a prompt that were not computed.
func (c *counters) recalled(tokens int) {
	if tokens > 0 {
		c.hits.Add(1)
		c.cached.Add(int64(tokens))
	}
}
