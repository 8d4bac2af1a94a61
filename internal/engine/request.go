package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/sampling"
)

// Finish says why an answer ended.
type Finish string

// The reasons for which an answer ends.
const (
	FinishStop   Finish = "stop"   // the end-of-text token or a stop string
	FinishLength Finish = "length" // MaxTokens, or the model's context is full
)

// Request asks for one continuation. The engine owns Pin from Submit on and releases it when the answer has ended; a
// request is served by that version from its first token to its last.
type Request struct {
	Prompt    []int32
	Pin       *Pin
	MaxTokens int
	Sampling  sampling.Params
	// Stop ends the answer before the first of these strings; at most a few short ones. Empty ones are ignored.
	Stop []string
	// IgnoreEOS goes on after the end-of-text token.
	IgnoreEOS bool
	// MaxWait ends the request with a *BusyError when it is still in the queue after this time; 0 waits for as long as
	// its context does.
	MaxWait time.Duration
}

// Piece is one step of an answer: a token, and the text that it completes. Text is valid UTF-8, never ends inside a
// rune and never holds part of a stop string; it can be empty.
type Piece struct {
	Token   int32
	LogProb float32 // natural logarithm, under the model's own distribution before temperature and cuts
	Text    string
	// HasToken is false for a last piece that only brings held-back text.
	HasToken bool
}

// Result is how an answer ended.
type Result struct {
	Finish  Finish
	Err     error // nil, or why the answer is not whole: the context's error, ErrClosed, *BusyError or a failed step
	Timings Timings
	Tokens  int
}

// Timings are the parts of a request's time.
type Timings struct {
	Queue, Prefill, Decode, FirstToken time.Duration
}

// Stream delivers an answer. Pieces is closed after the last piece; then Result may be called. It has room for the
// whole answer: a reader that is slow or gone holds nobody up.
type Stream struct {
	Pieces <-chan Piece
	pieces chan Piece
	result Result
	done   chan struct{}
}

// Result waits for the end of the answer and says how it ended.
func (s *Stream) Result() Result {
	<-s.done
	return s.result
}

// Errors of Submit and Result.
var (
	ErrClosed = errors.New("the engine has stopped")
)

// BusyError refuses a request because the queue is full, or because it was in the queue for longer than it may.
type BusyError struct {
	Waiting    int // requests in the queue
	Tokens     int // prompt and answer tokens that they may take
	RetryAfter time.Duration
	Waited     time.Duration // 0 when it was refused at once
}

// Error says how many requests wait.
func (e *BusyError) Error() string {
	if e.Waited > 0 {
		return fmt.Sprintf("the server is busy: the request was not started within %s; try again in %s", e.Waited.Round(time.Millisecond), e.RetryAfter)
	}
	return fmt.Sprintf("the server is busy: %d requests are waiting; try again in %s", e.Waiting, e.RetryAfter)
}

// PromptError refuses a request that the model cannot serve.
type PromptError struct {
	Tokens, Context int
	Detail          string
}

// Error says what is wrong with the request.
func (e *PromptError) Error() string {
	if e.Detail != "" {
		return e.Detail
	}
	return fmt.Sprintf("the prompt has %d tokens and the model's context is %d, which must also hold the answer; shorten the prompt", e.Tokens, e.Context)
}

// sequence is a request inside the engine, or a scoring job. The loop's goroutine owns it.
type sequence struct {
	ctx      context.Context
	tokens   []int32 // prompt, then answer
	prompt   int
	limit    int // tokens may grow to this length
	cost     int // tokens counted against the queue
	pin      *Pin
	rows     []int64 // bank rows of the pinned version
	params   sampling.Params
	sampler  *sampling.Sampler
	eos      bool
	maxWait  time.Duration
	out      output
	stream   *Stream
	score    *scoring
	finished bool

	prefilled int // positions in the staging cache
	class     *class
	row       int

	submitted, started, first time.Time
	prefillTime               time.Duration
}

// late says whether a waiting sequence has waited for too long.
func (s *sequence) late(now time.Time) bool {
	return s.maxWait > 0 && now.Sub(s.submitted) >= s.maxWait
}

// Submit queues a request. It fails with *BusyError when the queue is full, before any work is done, and with
// *PromptError when the model cannot serve it; the pin is then released. Cancelling ctx ends the answer within one
// step.
func (e *Engine) Submit(ctx context.Context, r Request) (*Stream, error) {
	if err := e.check(r); err != nil {
		r.Pin.Release()
		return nil, err
	}
	n := len(r.Prompt)
	limit := n + min(r.MaxTokens, e.model.Config.Context-n)
	if err := e.reserve(r.Pin, limit, false); err != nil {
		return nil, err
	}
	s := &sequence{ctx: ctx, tokens: append(make([]int32, 0, limit), r.Prompt...), prompt: n, limit: limit, cost: limit,
		pin: r.Pin, rows: r.Pin.bankRows(), params: r.Sampling, eos: !r.IgnoreEOS, maxWait: r.MaxWait,
		out: newOutput(e.model.Tokenizer, r.Stop), submitted: time.Now()}
	pieces := make(chan Piece, limit-n+1)
	s.stream = &Stream{Pieces: pieces, pieces: pieces, done: make(chan struct{})}
	if err := e.push(s); err != nil {
		return nil, err
	}
	e.stats.requests.Add(1)
	return s.stream, nil
}

// check refuses what the model cannot serve.
func (e *Engine) check(r Request) error {
	if err := e.checkTokens(r.Prompt, r.Pin); err != nil {
		return err
	}
	if len(r.Prompt) >= e.model.Config.Context {
		return &PromptError{Tokens: len(r.Prompt), Context: e.model.Config.Context}
	}
	if r.MaxTokens < 1 {
		return &PromptError{Detail: fmt.Sprintf("max_tokens is %d, it must be at least 1", r.MaxTokens)}
	}
	if err := r.Sampling.Check(); err != nil {
		return &PromptError{Detail: err.Error()}
	}
	return nil
}

// checkTokens checks a prompt against the vocabulary, and that a version of this engine is pinned.
func (e *Engine) checkTokens(prompt []int32, pin *Pin) error {
	if pin == nil || (pin.bank != nil && pin.bank != e.bank) {
		return errors.New("submit request: no version of this engine's bank is pinned; pin one with Bank.Pin")
	}
	if len(prompt) == 0 {
		return &PromptError{Detail: "the prompt is empty"}
	}
	for i, id := range prompt {
		if id < 0 || int(id) >= e.model.Config.Vocab {
			return &PromptError{Detail: fmt.Sprintf("token %d of the prompt is %d, the vocabulary has %d tokens", i, id, e.model.Config.Vocab)}
		}
	}
	return nil
}

// reserve takes the pin and a place in the queue. After an error the pin is released, unless another request has it.
func (e *Engine) reserve(pin *Pin, tokens int, score bool) error {
	if !pin.take() {
		return errors.New("submit request: the pin was released or serves another request; pin the version again")
	}
	err := e.queue.reserve(tokens, score)
	if err != nil {
		pin.release(pinTaken)
		var busy *BusyError
		if errors.As(err, &busy) {
			e.stats.refused.Add(1)
		}
	}
	return err
}

// push queues a sequence whose place is reserved and wakes the loop.
func (e *Engine) push(s *sequence) error {
	if err := e.queue.push(s); err != nil {
		s.pin.release(pinTaken)
		return err
	}
	e.poke()
	return nil
}

// finish ends a sequence, once: the first reason counts. The loop calls it, or its shutdown.
func (e *Engine) finish(s *sequence, reason Finish, err error) {
	if s.finished {
		return
	}
	s.finished = true
	s.pin.release(pinTaken)
	if s.sampler != nil {
		e.samplers = append(e.samplers, s.sampler)
		s.sampler = nil
	}
	e.stats.ended(err)
	if s.score != nil {
		s.score.err = err
		close(s.score.done)
		return
	}
	if err == nil {
		text, stopped := s.out.flush()
		if stopped {
			reason = FinishStop
		}
		if text != "" {
			s.stream.pieces <- Piece{Text: text}
		}
	}
	now := time.Now()
	t := Timings{Queue: s.started.Sub(s.submitted), Prefill: s.prefillTime}
	if s.started.IsZero() {
		t.Queue = now.Sub(s.submitted)
	}
	if !s.first.IsZero() {
		t.FirstToken = s.first.Sub(s.submitted)
		t.Decode = now.Sub(s.first)
	}
	s.stream.result = Result{Finish: reason, Err: err, Timings: t, Tokens: len(s.tokens) - s.prompt}
	close(s.stream.pieces)
	close(s.stream.done)
}
