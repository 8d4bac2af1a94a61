// Package engine generates text: continuous batching over in-place key/value caches, adapters mixed in one batch
// through a bank, and streams that end within one step of their request's cancellation.
//
// Invariants. An answer depends on its request and its version alone: prefill runs one sequence at a time in chunks
// that end on a fixed grid of absolute positions, decoding runs one token a row, and the graph's arithmetic for a row
// does not depend on the rows beside it. A request is pinned to its version from admission to its last token. One
// session lives as long as the engine. Only the goroutine of Run touches caches and bindings.
//
// It is not a server and knows no tracks: callers pin a version and hand it over.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"nightshift/internal/sampling"
	"nightshift/onnx/gpt2"
	"nightshift/onnx/ort"
)

// Config sizes an engine. Zero values mean the defaults.
type Config struct {
	// Threads inside one operator; 0 is the number of usable processors.
	Threads int
	// Slots is how many sequences decode at once (16).
	Slots int
	// Queue is how many requests may wait (256).
	Queue int
	// BankRows is how many rank-8 adapter rows are resident, the base model's included (33).
	BankRows int
	// Chunk is the prefill grid in positions (128).
	Chunk int
	// Spin lets idle worker threads spin between operators: faster alone, bad for neighbours.
	Spin bool
	// Modules that adapters may change; nil is every linear of a block.
	Modules []string
}

// Engine serves one model. Create it with New, start it with Run, then Submit.
type Engine struct {
	model   *Model
	cfg     Config
	session *ort.Session
	bank    *Bank
	staging *staging
	classes []*class

	mu      sync.Mutex
	waiting []*sequence
	closed  bool
	wake    chan struct{}

	active  []*sequence // decoding, owned by the loop
	filling *sequence   // in the staging cache, owned by the loop

	stats counters
}

// counters are the engine's running totals.
type counters struct {
	requests, refused, cancelled, promptTokens, answerTokens, steps, rows atomic.Int64
	waiting, active                                                       atomic.Int64
}

// Stats are totals since the start, and the present state.
type Stats struct {
	Requests, Refused, Cancelled, PromptTokens, AnswerTokens int64
	Steps, StepRows                                          int64 // decode steps, and the rows they carried
	Waiting, Active                                          int64
}

// New builds the decode graph and its session and reserves the caches.
func New(model *Model, cfg Config) (*Engine, error) {
	if cfg.Threads == 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&cfg.Slots, 16}, {&cfg.Queue, 256}, {&cfg.BankRows, 33}, {&cfg.Chunk, 128}} {
		if *d.field == 0 {
			*d.field = d.value
		}
		if *d.field < 1 {
			return nil, fmt.Errorf("configure engine: a size is %d, it must be positive", *d.field)
		}
	}
	if cfg.Modules == nil {
		cfg.Modules = gpt2.Modules
	}
	graph, err := gpt2.Decode(model.Config, model.Checkpoint.Initializer, gpt2.DecodeOptions{Bank: cfg.Modules})
	if err != nil {
		return nil, err
	}
	encoded, err := graph.Encode()
	if err != nil {
		return nil, err
	}
	session, err := ort.NewSession(encoded, ort.SessionConfig{Threads: cfg.Threads, ExternalDir: model.Checkpoint.Dir(), Spin: cfg.Spin})
	if err != nil {
		return nil, fmt.Errorf("open decode session: %w", err)
	}
	e := &Engine{model: model, cfg: cfg, session: session, wake: make(chan struct{}, 1)}
	if e.bank, err = newBank(model.Config, cfg.Modules, cfg.BankRows); err != nil {
		return nil, err
	}
	if e.staging, err = newStaging(e); err != nil {
		return nil, err
	}
	for capacity := 128; ; capacity *= 2 {
		e.classes = append(e.classes, newClass(e, min(capacity, model.Config.Context)))
		if capacity >= model.Config.Context {
			break
		}
	}
	return e, nil
}

// Model returns the model that the engine serves.
func (e *Engine) Model() *Model { return e.model }

// Bank returns the adapter bank.
func (e *Engine) Bank() *Bank { return e.bank }

// Stats reads the counters.
func (e *Engine) Stats() Stats {
	s := &e.stats
	return Stats{Requests: s.requests.Load(), Refused: s.refused.Load(), Cancelled: s.cancelled.Load(), PromptTokens: s.promptTokens.Load(),
		AnswerTokens: s.answerTokens.Load(), Steps: s.steps.Load(), StepRows: s.rows.Load(), Waiting: s.waiting.Load(), Active: s.active.Load()}
}

// Submit queues a request. It fails with *BusyError when the queue is full and *PromptError when the prompt does not
// fit; the pin is then released. Cancelling ctx ends the answer within one step.
func (e *Engine) Submit(ctx context.Context, r Request) (*Stream, error) {
	s, err := e.newSequence(ctx, r.Prompt, r.Pin)
	if err != nil {
		r.Pin.Release()
		return nil, err
	}
	if len(r.Prompt) >= e.model.Config.Context {
		r.Pin.Release()
		return nil, &PromptError{Tokens: len(r.Prompt), Context: e.model.Config.Context}
	}
	if r.MaxTokens < 1 {
		r.Pin.Release()
		return nil, &PromptError{Detail: fmt.Sprintf("max_tokens is %d, it must be at least 1", r.MaxTokens)}
	}
	s.limit = min(len(r.Prompt)+r.MaxTokens, e.model.Config.Context)
	s.sampler = sampling.New(r.Sampling, e.model.Config.Vocab)
	s.eos = !r.IgnoreEOS
	s.out = &output{decoder: e.model.Tokenizer.NewDecoder(), stop: r.Stop}
	pieces := make(chan Piece, s.limit-s.prompt+1)
	s.stream = &Stream{Pieces: pieces, pieces: pieces, done: make(chan struct{})}
	if err := e.enqueue(s); err != nil {
		r.Pin.Release()
		return nil, err
	}
	e.stats.requests.Add(1)
	return s.stream, nil
}

// newSequence checks a prompt against the vocabulary.
func (e *Engine) newSequence(ctx context.Context, prompt []int32, pin *Pin) (*sequence, error) {
	if len(prompt) == 0 {
		return nil, &PromptError{Detail: "the prompt is empty"}
	}
	for i, id := range prompt {
		if id < 0 || int(id) >= e.model.Config.Vocab {
			return nil, &PromptError{Detail: fmt.Sprintf("token %d of the prompt is %d, the vocabulary has %d tokens", i, id, e.model.Config.Vocab)}
		}
	}
	return &sequence{ctx: ctx, tokens: append(make([]int32, 0, len(prompt)+64), prompt...), prompt: len(prompt), pin: pin, submitted: time.Now()}, nil
}

// enqueue adds a sequence to the queue and wakes the loop.
func (e *Engine) enqueue(s *sequence) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if len(e.waiting) >= e.cfg.Queue {
		e.stats.refused.Add(1)
		return &BusyError{Waiting: len(e.waiting), RetryAfter: time.Second}
	}
	e.waiting = append(e.waiting, s)
	e.stats.waiting.Store(int64(len(e.waiting)))
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return nil
}

// Run serves until ctx is done, then ends every request with ErrClosed.
func (e *Engine) Run(ctx context.Context) error {
	defer e.shutdown()
	for ctx.Err() == nil {
		e.admit()
		if e.filling == nil && len(e.active) == 0 {
			select {
			case <-e.wake:
			case <-ctx.Done():
			}
			continue
		}
		if e.filling != nil {
			e.prefill()
		}
		e.decode()
	}
	return nil
}

// Close frees the session. It must not be called before Run has returned.
func (e *Engine) Close() { e.session.Close() }

// admit takes the next waiting request into the staging cache when it is free and there is a slot for it.
func (e *Engine) admit() {
	for e.filling == nil {
		e.mu.Lock()
		if len(e.waiting) == 0 || (len(e.active) >= e.cfg.Slots && e.waiting[0].score == nil) {
			e.mu.Unlock()
			return
		}
		s := e.waiting[0]
		e.waiting[0] = nil
		e.waiting = e.waiting[1:]
		e.stats.waiting.Store(int64(len(e.waiting)))
		e.mu.Unlock()
		if err := s.ctx.Err(); err != nil {
			e.stats.cancelled.Add(1)
			s.finish("", err)
			continue
		}
		s.started = time.Now()
		e.filling = s
	}
}

// shutdown ends every request.
func (e *Engine) shutdown() {
	e.mu.Lock()
	e.closed = true
	waiting := e.waiting
	e.waiting = nil
	e.mu.Unlock()
	if e.filling != nil {
		waiting = append(waiting, e.filling)
		e.filling = nil
	}
	for _, s := range append(waiting, e.active...) {
		s.finish("", ErrClosed)
	}
	e.active = nil
}

// accept takes a sampled token: it is sent to the stream, and done says whether the answer has ended with it.
func (e *Engine) accept(s *sequence, logits []float32) (done bool) {
	id, logProb, err := s.sampler.Pick(logits, uint64(len(s.tokens)-s.prompt))
	if err != nil {
		slog.Error("a decode step gave unusable logits", "version", s.pin.Digest, "error", err)
		s.finish("", fmt.Errorf("sample a token: %w", err))
		return true
	}
	if s.first.IsZero() {
		s.first = time.Now()
	}
	s.tokens = append(s.tokens, id)
	e.stats.answerTokens.Add(1)
	if s.eos && id == e.model.Tokenizer.EOS() {
		s.stream.pieces <- Piece{Token: id, LogProb: logProb, HasToken: true}
		s.finish(FinishStop, nil)
		return true
	}
	text, stopped, err := s.out.push(id)
	if err != nil {
		s.finish("", err)
		return true
	}
	s.stream.pieces <- Piece{Token: id, LogProb: logProb, Text: text, HasToken: true}
	switch {
	case stopped:
		s.finish(FinishStop, nil)
	case len(s.tokens) >= s.limit:
		s.finish(FinishLength, nil)
	default:
		return false
	}
	return true
}
