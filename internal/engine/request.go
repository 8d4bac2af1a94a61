package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/engine/scheduler"
	"nightshift/internal/sampling"
)

// Request asks for one continuation, or for several. The engine owns Pin from Submit on and releases it when the last answer
// has ended; a request is served by that version from its first token to its last.
type Request struct {
	Prompt []int32
	Pin    *Pin
	// MaxTokens is how long an answer may get; 0 is allowed with PromptLogProbs, which are then all that is computed.
	MaxTokens int
	Sampling  sampling.Params
	// Adjustment changes the logits before a token is chosen. Its Ends are the model's, whatever is given.
	Adjustment sampling.Adjustment
	// Choices is how many answers are wanted; 0 is one. Each is exactly what a request of its own with the seed
	// sampling.ChoiceSeed(Sampling.Seed, i) would be answered, and takes a place of its own in the queue and in the batch. When
	// one fails all end.
	Choices int
	// TopLogProbs is for how many of the likeliest tokens Piece.Top and PromptToken.Top have room.
	TopLogProbs int
	// PromptLogProbs asks for Stream.Prompt.
	PromptLogProbs bool
	// Stop ends the answer before the first of these strings; at most a few short ones. Empty ones are ignored.
	Stop []string
	// IgnoreEOS goes on after the tokens that end an answer.
	IgnoreEOS bool
	// ShowSpecial keeps special tokens in the text, as the tokenizer's files spell them; stop strings may name them then.
	ShowSpecial bool
	// GoesOn says that the answer's text goes on where the prompt's ends, so that a space at its beginning is kept; else it begins one.
	GoesOn bool
	// Priority decides first who starts next: a lower one goes before a higher one.
	Priority int
	// Group is whom the tokens are given to, the track for instance: groups of the same priority that have requests waiting are
	// given as many tokens as each other.
	Group string
	// MaxWait ends the request with a *BusyError when it is still in the queue after this time; 0 waits for as long as
	// its context does.
	MaxWait time.Duration
	// Deadline ends the request: with a *BusyError when it is still in the queue, and with FinishTimeout, within one step, when it
	// is not; zero is none. It starts no request earlier, except among equals.
	Deadline time.Time
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

// sequence is one answer inside the engine, or a scoring job. The loop's goroutine owns it.
type sequence struct {
	scheduler.Sequence
	tokens   []int32 // prompt, then answer
	limit    int     // tokens may grow to this length
	pin      *Pin
	rows     []int64 // bank rows of the pinned version; none for the base model
	params   sampling.Params
	adjust   sampling.Adjustment
	sampler  *sampling.Sampler
	top      int               // likeliest tokens wanted
	tops     []sampling.Choice // those of all tokens so far, with room for the whole answer: readers keep parts of it
	eos      bool
	out      output
	stream   *Stream
	choice   int      // which answer of the stream's
	score    *scoring // of a scoring job
	finished bool

	recalled int // positions of the prompt that came out of the prefix cache
	row      int // of the batch

	started     time.Time
	first, last time.Time // tokens
	latencies   []uint32  // microseconds between tokens, with room for all of them
	prefillTime time.Duration
}

// of is the sequence that a scheduler speaks of.
func of(q *scheduler.Sequence) *sequence { return q.Owner.(*sequence) }

// Submit queues a request. It fails with *BusyError when the queue is full, before any work is done, and with
// *PromptError when the model cannot serve it; the pin is then released. Cancelling ctx ends the answers within one
// step.
func (e *Engine) Submit(ctx context.Context, r Request) (*Stream, error) {
	r.Choices = max(r.Choices, 1)
	if err := e.check(r); err != nil {
		r.Pin.Release()
		return nil, err
	}
	n := len(r.Prompt)
	limit := n + min(r.MaxTokens, e.model.Config.Context-n)
	if err := e.reserve(r.Pin, r.Choices, limit*r.Choices, false); err != nil {
		return nil, err
	}
	r.Adjustment.Ends = e.model.Ends
	pieces := make(chan Piece, (limit-n+1)*r.Choices)
	stream := &Stream{Pieces: pieces, pieces: pieces, results: make([]Result, r.Choices), left: r.Choices, done: make(chan struct{})}
	ctx, stream.cancel = context.WithCancel(ctx)
	choices, now := make([]*sequence, r.Choices), time.Now()
	for i := range choices {
		choices[i] = &sequence{tokens: append(make([]int32, 0, limit), r.Prompt...), limit: limit,
			pin: r.Pin, rows: r.Pin.rows, params: r.Sampling, adjust: r.Adjustment, top: r.TopLogProbs, eos: !r.IgnoreEOS,
			out: newOutput(e.model.Tokenizer, r.Stop, r.ShowSpecial, r.GoesOn), stream: stream, choice: i, latencies: make([]uint32, 0, max(0, limit-n-1)),
			Sequence: scheduler.Sequence{Context: ctx, Submitted: now, Prompt: n, Cost: limit, PromptLogProbs: r.PromptLogProbs && i == 0,
				Priority: r.Priority, Group: r.Group, MaxWait: r.MaxWait, Deadline: r.Deadline}}
		choices[i].params.Seed = sampling.ChoiceSeed(r.Sampling.Seed, i)
	}
	if err := e.push(choices); err != nil {
		stream.cancel()
		return nil, err
	}
	e.stats.requests.Add(int64(r.Choices))
	return stream, nil
}

// check refuses what the model cannot serve.
func (e *Engine) check(r Request) error {
	if err := e.checkTokens(r.Prompt, r.Pin); err != nil {
		return err
	}
	vocab, context := e.model.Config.Vocab, e.model.Config.Context
	refuse := func(format string, args ...any) error { return &PromptError{Detail: fmt.Sprintf(format, args...)} }
	switch {
	case len(r.Prompt) >= context && (r.MaxTokens > 0 || len(r.Prompt) > context):
		return &PromptError{Tokens: len(r.Prompt), Context: context}
	case r.MaxTokens < 0, r.MaxTokens == 0 && !r.PromptLogProbs:
		return refuse("max_tokens is %d, it must be at least 1", r.MaxTokens)
	case r.TopLogProbs < 0 || r.TopLogProbs > vocab:
		return refuse("%d of the likeliest tokens are wanted, the vocabulary has %d", r.TopLogProbs, vocab)
	}
	if err := r.Sampling.Check(); err != nil {
		return refuse("%s", err.Error())
	}
	if err := r.Adjustment.Check(vocab); err != nil {
		return refuse("%s", err.Error())
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

// reserve takes the pin and places in the queue. After an error the pin is released, unless another request has it.
func (e *Engine) reserve(pin *Pin, places, tokens int, score bool) error {
	if !pin.take() {
		return errors.New("submit request: the pin was released or serves another request; pin the version again")
	}
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	if e.closed {
		pin.release(pinTaken)
		return ErrClosed
	}
	if full, ok := e.scheduler.Reserve(places, tokens, score); !ok {
		pin.release(pinTaken)
		e.stats.refused.Add(1)
		return busy(full, 0)
	}
	return nil
}

// push queues the sequences of a pin, whose places are reserved, and wakes the loop.
func (e *Engine) push(list []*sequence) error {
	queued := make([]*scheduler.Sequence, len(list))
	for i, s := range list {
		s.Owner, queued[i] = s, &s.Sequence
	}
	e.scheduling.Lock()
	defer e.scheduling.Unlock()
	if e.closed {
		e.scheduler.Withdraw(queued)
		list[0].pin.release(pinTaken)
		return ErrClosed
	}
	e.scheduler.Push(queued)
	e.poke()
	return nil
}

// busy refuses a request for the queue as it is.
func busy(l scheduler.Load, waited time.Duration) *BusyError {
	return &BusyError{Waiting: l.Waiting, Tokens: l.Tokens, RetryAfter: l.RetryAfter, Waited: waited}
}

// finish ends a sequence, once: the first reason counts. The loop calls it, or its shutdown.
func (e *Engine) finish(s *sequence, reason Finish, err error) {
	if s.finished {
		return
	}
	s.finished = true
	if s.sampler != nil {
		e.samplers = append(e.samplers, s.sampler)
		s.sampler = nil
	}
	e.end(s)
	e.stats.ended(err)
	if s.score != nil {
		s.pin.release(pinTaken)
		s.score.err = err
		close(s.score.done)
		return
	}
	last := Piece{Choice: s.choice, Last: true}
	if err != nil {
		reason = ""
	} else {
		rest, stopped := s.out.flush()
		if last.Text, last.Plain = rest.text, rest.plain; stopped {
			reason = FinishStop
		}
	}
	ended := s.stream.end(s.choice, Result{Finish: reason, Err: err, Timings: s.timings(time.Now()), Tokens: len(s.tokens) - s.Prompt, Recalled: s.recalled, latencies: s.latencies})
	s.stream.pieces <- last
	if ended {
		s.pin.release(pinTaken)
		s.stream.close()
	}
}

// timings are those of a sequence that ends now.
func (s *sequence) timings(now time.Time) Timings {
	t := Timings{Queue: s.started.Sub(s.Submitted), Prefill: s.prefillTime}
	if s.started.IsZero() {
		t.Queue = now.Sub(s.Submitted)
	}
	if !s.first.IsZero() {
		t.FirstToken = s.first.Sub(s.Submitted)
		t.Decode = now.Sub(s.first)
	}
	return t
}

// arrived notes when a token came.
func (s *sequence) arrived(now time.Time) {
	if s.first.IsZero() {
		s.first = now
	} else {
		s.latencies = append(s.latencies, uint32(min(now.Sub(s.last).Microseconds(), 1<<32-1)))
	}
	s.last = now
}
