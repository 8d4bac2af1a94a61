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
	// Stop ends the answer before the first of these strings; at most a few short ones.
	Stop []string
	// IgnoreEOS goes on after the end-of-text token.
	IgnoreEOS bool
}

// Piece is one step of an answer: a token, and the text that it completes. Text never ends inside a rune and never
// holds part of a stop string; it can be empty.
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
	Err     error // nil, or why the answer is not whole: the context's error, ErrClosed or a failed step
	Timings Timings
	Tokens  int
}

// Timings are the parts of a request's time.
type Timings struct {
	Queue, Prefill, Decode, FirstToken time.Duration
}

// Stream delivers an answer. Pieces is closed after the last piece; then Result may be called.
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

// BusyError refuses a request because the queue is full.
type BusyError struct {
	Waiting    int
	RetryAfter time.Duration
}

// Error says how many requests wait.
func (e *BusyError) Error() string {
	return fmt.Sprintf("the server is busy: %d requests are waiting; try again in %s", e.Waiting, e.RetryAfter)
}

// PromptError refuses a prompt that does not fit the model.
type PromptError struct {
	Tokens, Context int
	Detail          string
}

// Error says what is wrong with the prompt.
func (e *PromptError) Error() string {
	if e.Detail != "" {
		return e.Detail
	}
	return fmt.Sprintf("the prompt has %d tokens and the model's context is %d, which must also hold the answer; shorten the prompt", e.Tokens, e.Context)
}

// sequence is a request inside the engine, or a scoring job. The loop's goroutine owns it.
type sequence struct {
	ctx     context.Context
	tokens  []int32 // prompt, then answer
	prompt  int
	limit   int // tokens may grow to this length
	pin     *Pin
	sampler *sampling.Sampler
	eos     bool
	out     *output
	stream  *Stream
	score   *scoring

	prefilled int // positions in the staging cache
	class     *class
	row       int
	logProb   float32

	submitted, started, first time.Time
	prefillTime               time.Duration
}

// finish ends a sequence: exactly once, by the loop or by its shutdown.
func (s *sequence) finish(reason Finish, err error) {
	s.pin.Release()
	if s.score != nil {
		s.score.err = err
		close(s.score.done)
		return
	}
	if err == nil {
		if text := s.out.flush(); text != "" {
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
