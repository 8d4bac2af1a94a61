// Package engine generates text: continuous batching over in-place key/value caches, adapters mixed in one batch
// through a bank, and streams that end within one step of their request's cancellation.
//
// One goroutine, that of Run, carries out what a scheduler.Scheduler says comes next, in memory that package kv owns. What it does over
// and over are prefill chunks (staging), whole short prompts (together) and decode steps (batch).
//
// Invariants. An answer depends on its request and its version alone: prefill chunks end on a fixed grid of absolute positions,
// decoding runs one token a row, and the graph's arithmetic for a row does not depend on the rows beside it; Config.Lookup gives up
// its last bits for speed. A request is pinned to its version from Submit to its last token. Sessions live as long as the engine. Only
// the goroutine of Run touches caches and bindings. A step that fails or panics ends the requests that it carried, with an error, and
// nothing else.
//
// It is not a server and knows no tracks: callers pin a version and hand it over.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"nightshift/internal/engine/kv"
	"nightshift/internal/engine/scheduler"
	"nightshift/internal/sampling"
)

// Config sizes an engine. Zero values mean the defaults.
type Config struct {
	// Threads inside one operator; 0 is the number of usable processors.
	Threads int
	// Slots is how many sequences decode at once (16).
	Slots int
	// Queue is how many requests may wait (256).
	Queue int
	// QueueTokens is how many tokens, prompts and longest answers together, may wait (a quarter of Queue full
	// contexts). A request that finds the queue empty is taken whatever its size.
	QueueTokens int
	// BankRows is how many rank-8 adapter rows are resident, the base model's included (33).
	BankRows int
	// MaxRank is the largest rank of an adapter (64). A batch pays for the largest rank in it.
	MaxRank int
	// Chunk is the prefill grid in positions (128). Answers depend on it in their last bits.
	Chunk int
	// PrefixCache is how many bytes of keys and values of prompt prefixes are kept (256 MiB); negative is none.
	PrefixCache int64
	// Spin lets worker threads spin for some microseconds between operators before they sleep: small steps are faster.
	Spin bool
	// Lookup is the longest draft of prompt-lookup decoding, in tokens, for a sequence that decodes alone; 0 is off. A draft is what followed the last
	// tokens where they stood before, and is computed in one step with the token before it. Steps of several tokens round
	// differently, so that answers depend in their last bits on whether they decoded alone.
	Lookup int
	// Modules that adapters may change; nil is every linear of a block.
	Modules []string
}

// fill sets the defaults.
func (c *Config) fill(context int) error {
	if c.Threads == 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	for _, d := range []struct {
		name  string
		field *int
		value int
	}{{"threads", &c.Threads, 1}, {"slots", &c.Slots, 16}, {"queue", &c.Queue, 256}, {"bank rows", &c.BankRows, 33}, {"max rank", &c.MaxRank, 64}, {"chunk", &c.Chunk, 128}} {
		if *d.field == 0 {
			*d.field = d.value
		}
		if *d.field < 1 {
			return fmt.Errorf("configure engine: %s is %d, it must be positive", d.name, *d.field)
		}
	}
	if c.QueueTokens == 0 {
		c.QueueTokens = max(1, c.Queue*context/4)
	}
	if c.QueueTokens < 1 {
		return fmt.Errorf("configure engine: queue tokens is %d, it must be positive", c.QueueTokens)
	}
	if c.PrefixCache == 0 {
		c.PrefixCache = 256 << 20
	}
	if c.Lookup < 0 {
		return fmt.Errorf("configure engine: lookup is %d, it must not be negative", c.Lookup)
	}
	return nil
}

// Engine serves one model. Create it with New, start it with Run, then Submit; Close frees it.
type Engine struct {
	model    *Model
	cfg      Config
	sessions *sessions
	bank     *Bank
	wake     chan struct{}

	scheduling sync.Mutex // of the two below: requests come from any goroutine
	scheduler  *scheduler.Scheduler
	closed     bool // nothing comes any more

	life    sync.Mutex
	running bool
	ended   chan struct{} // closed when Run has returned
	closing atomic.Bool
	freed   sync.Once

	// What follows is owned by the loop.
	staging  *staging
	prefixes *kv.Prefixes
	batch    *batch
	samplers []*sampling.Sampler // free ones, with their scratch memory

	stats counters
}

// New opens the sessions and reserves the caches.
func New(model *Model, cfg Config) (*Engine, error) {
	if err := cfg.fill(model.Config.Context); err != nil {
		return nil, err
	}
	if cfg.Modules == nil {
		cfg.Modules = model.Config.Modules()
	}
	sessions, err := openSessions(model, cfg)
	if err != nil {
		return nil, err
	}
	e := &Engine{model: model, cfg: cfg, sessions: sessions, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	e.scheduler = scheduler.New(scheduler.Config{Slots: cfg.Slots, Chunk: cfg.Chunk, MaxRequests: cfg.Queue, MaxTokens: cfg.QueueTokens, Known: e.known})
	e.prefixes = kv.NewPrefixes(model.Config, cfg.Chunk, cfg.PrefixCache)
	if e.bank, err = newBank(model, cfg.Modules, cfg.BankRows, cfg.MaxRank); err == nil {
		e.staging, err = newStaging(e)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	e.batch = newBatch(e)
	return e, nil
}

// Model returns the model that the engine serves.
func (e *Engine) Model() *Model { return e.model }

// Bank returns the adapter bank.
func (e *Engine) Bank() *Bank { return e.bank }

// Run serves until ctx is done or Close is called, then ends every request with ErrClosed. It can be called once.
func (e *Engine) Run(ctx context.Context) (err error) {
	e.life.Lock()
	if e.running || e.closing.Load() {
		e.life.Unlock()
		return fmt.Errorf("run engine: it runs already or has run: %w", ErrClosed)
	}
	e.running = true
	e.life.Unlock()
	defer close(e.ended)
	defer func() {
		if r := recover(); r != nil {
			err = panicked("run engine", r)
		}
		e.shutdown(err)
	}()
	for ctx.Err() == nil && !e.closing.Load() {
		if e.tick() {
			continue
		}
		select {
		case <-e.wake:
		case <-ctx.Done():
		}
	}
	return nil
}

// tick is one iteration of the loop: prefill of one chunk's positions at most, then one decode step of every sequence. It says whether
// there was anything to do.
func (e *Engine) tick() bool {
	for {
		switch w := e.next(); w.Kind {
		case scheduler.Drop:
			e.drop(of(w.Sequence))
		case scheduler.Admit:
			e.admit(of(w.Sequence))
		case scheduler.Prefill:
			e.prefill(of(w.Sequence))
		case scheduler.PrefillTogether:
			e.batch.begin(w.Together)
		case scheduler.Decode:
			e.batch.decode()
			return true
		default:
			return false
		}
	}
}

// next asks what to do next.
func (e *Engine) next() scheduler.Work {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	w := e.scheduler.Next(time.Now())
	e.stats.prefilling.Store(int64(len(e.scheduler.Prefilling())))
	return w
}

// load is the present queue.
func (e *Engine) load() scheduler.Load {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	return e.scheduler.Load()
}

// end tells the scheduler that a sequence has ended.
func (e *Engine) end(s *sequence) {
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	e.scheduler.End(&s.Sequence, len(s.tokens))
}

// known is how many positions of a waiting sequence's prompt the prefix cache has.
func (e *Engine) known(q *scheduler.Sequence) int {
	s := of(q)
	return e.prefixes.Known(s.pin.Digest, s.tokens, 0, s.reusable())
}

// poke wakes the loop.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// drop ends a sequence that is cancelled or late, in the queue or while its prompt is in flight.
func (e *Engine) drop(s *sequence) {
	err, waits := s.Context.Err(), s.started.IsZero()
	if err == nil && waits {
		err = busy(e.load(), time.Since(s.Submitted))
	}
	e.finish(s, FinishTimeout, err)
	if !waits {
		e.endPrefill(s)
	}
}

// admit starts a sequence: what is known of its prompt comes into its staging row.
func (e *Engine) admit(s *sequence) {
	s.started = time.Now()
	e.prefixes.Count()
	e.recall(s)
	if s.score == nil {
		s.sampler = e.newSampler(s.params)
	}
}

// newSampler returns a sampler, an idle one if there is any.
func (e *Engine) newSampler(p sampling.Params) *sampling.Sampler {
	if n := len(e.samplers); n > 0 {
		s := e.samplers[n-1]
		e.samplers = e.samplers[:n-1]
		s.Reset(p)
		return s
	}
	return sampling.New(p, e.model.Config.Vocab)
}

// shutdown ends every request with ErrClosed, and with what broke the loop if something did.
func (e *Engine) shutdown(cause error) {
	err := ErrClosed
	if cause != nil {
		err = fmt.Errorf("%w: %w", ErrClosed, cause)
	}
	e.scheduling.Lock()
	e.closed = true
	rest := e.scheduler.Drain()
	e.scheduling.Unlock()
	for _, q := range rest {
		e.finish(of(q), "", err)
	}
	e.stats.prefilling.Store(0)
	if e.batch != nil {
		e.batch.fail(err)
	}
}

// Close stops the loop, waits for Run to return, ends what still waits with ErrClosed and frees session, caches and
// bank. It may be called more than once.
func (e *Engine) Close() { e.freed.Do(e.free) }

func (e *Engine) free() {
	e.life.Lock()
	e.closing.Store(true)
	running := e.running
	e.life.Unlock()
	if running {
		e.poke()
		<-e.ended
	} else {
		e.shutdown(nil)
	}
	var err error
	if e.staging != nil {
		err = e.staging.close()
	}
	err = errors.Join(err, e.prefixes.Close())
	if e.batch != nil {
		err = errors.Join(err, e.batch.close())
	}
	err = errors.Join(err, e.sessions.close())
	if e.bank != nil {
		err = errors.Join(err, e.bank.close())
	}
	if err != nil {
		slog.Error("memory of the engine was not freed", "error", err)
	}
}

// panicked makes an error of a recovered panic, and logs where it came from.
func panicked(where string, r any) error {
	slog.Error("the engine recovered from a panic", "where", where, "panic", r, "stack", string(debug.Stack()))
	return fmt.Errorf("%s: panic: %v", where, r)
}
