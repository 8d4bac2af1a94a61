package engine

import (
	"context"
	"errors"
	"sync/atomic"

	"nightshift/internal/engine/kv"
)

// counters are the engine's running totals.
type counters struct {
	requests, refused, cancelled, expired, failed, promptTokens, answerTokens, steps, rows, active, hits, cached, kvTokens, kvBytes, prefilling, prefillBytes, firsts, firstRuns atomic.Int64
}

// Stats are totals since the start, and the present state.
type Stats struct {
	Requests, Refused, Cancelled, PromptTokens, AnswerTokens int64
	Expired                                                  int64 // were in the queue for longer than they may
	Failed                                                   int64 // ended by a failed step
	Steps, StepRows                                          int64 // decode steps, and the rows they carried
	Waiting, Active                                          int64
	Prefilling                                               int64 // sequences whose prompts are in flight
	PrefillBytes                                             int64 // memory that the staging rows have taken for keys and values
	FirstPrompts, FirstRuns                                  int64 // prompts that were computed together with others or might have been, and the runs they took
	WaitingTokens                                            int64 // that waiting requests may take, prompt and answer
	PrefixLookups                                            int64 // prompts that were looked up in the prefix cache
	PrefixHits, CachedTokens                                 int64 // prompts whose prefix was in the cache, and its tokens
	PrefixBytes, PrefixEvictions                             int64 // memory of the prefix cache, and what made room for others
	KVTokens, KVBytes                                        int64 // tokens in the cache of what generates, and the memory that its rows have taken
}

// Stats reads the counters.
func (e *Engine) Stats() Stats {
	s := &e.stats
	load := e.load()
	return Stats{Requests: s.requests.Load(), Refused: s.refused.Load(), Cancelled: s.cancelled.Load(), PromptTokens: s.promptTokens.Load(),
		AnswerTokens: s.answerTokens.Load(), Expired: s.expired.Load(), Failed: s.failed.Load(), Steps: s.steps.Load(), StepRows: s.rows.Load(),
		Waiting: int64(load.Waiting), Active: s.active.Load(), WaitingTokens: int64(load.Tokens), Prefilling: s.prefilling.Load(), PrefillBytes: s.prefillBytes.Load(),
		FirstPrompts: s.firsts.Load(), FirstRuns: s.firstRuns.Load(),
		PrefixLookups: e.prefixes.Lookups.Load(), PrefixHits: s.hits.Load(), CachedTokens: s.cached.Load(),
		PrefixBytes: e.prefixes.Memory.Load(), PrefixEvictions: e.prefixes.Evictions.Load(), KVTokens: s.kvTokens.Load(), KVBytes: s.kvBytes.Load()}
}

// account notes how far the rows of the batch are filled, and gives back what rows without a sequence do not need. All but the last
// token of a sequence are in its row.
func (b *batch) account() error {
	tokens := 0
	for i, s := range b.rows {
		tokens += len(s.tokens) - 1
		b.cache.Use(i, len(s.tokens)-1+len(b.lookup.draft))
	}
	err := b.cache.Release(len(b.rows), kv.Spare)
	b.engine.stats.kvTokens.Store(int64(tokens))
	b.engine.stats.kvBytes.Store(int64(b.cache.Bytes(0)))
	return err
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

// recalled counts tokens of a prompt that were not computed; first says that there were none before.
func (c *counters) recalled(tokens int, first bool) {
	if tokens > 0 && first {
		c.hits.Add(1)
	}
	c.cached.Add(int64(tokens))
}
