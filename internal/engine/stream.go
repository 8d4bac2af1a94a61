package engine

import (
	"context"
	"slices"
	"time"

	"nightshift/internal/sampling"
)

// Finish says why an answer ended.
type Finish string

// The reasons for which an answer ends.
const (
	FinishStop   Finish = "stop"   // one of Model.Ends, or a stop string
	FinishLength Finish = "length" // MaxTokens, or the model's context is full
	// FinishTimeout is the request's Deadline: the answer is the beginning of the one that it would have been.
	FinishTimeout Finish = "timeout"
)

// Piece is one step of an answer: a token, and the text that it completes. Text is valid UTF-8, never ends inside a
// rune and never holds part of a stop string; it can be empty.
type Piece struct {
	Choice  int // which answer of the request's
	Token   int32
	LogProb float32 // natural logarithm, under the model's own distribution before penalties, temperature and cuts
	Text    string
	Plain   string // Text without special tokens; the same unless Request.ShowSpecial
	// Top are the likeliest tokens at this place under that same distribution, likeliest first, as many as were asked for.
	Top []sampling.Choice
	// HasToken is false for the last piece.
	HasToken bool
	// Last says that the answer has ended, see Stream.Ended; it brings text that was held back, if any, and no token.
	Last bool
	// End says that the token is one of Model.Ends, and that the answer ends with it.
	End bool
}

// PromptToken is what the model thinks of a token of the prompt, given those before it.
type PromptToken struct {
	LogProb float32
	Top     []sampling.Choice // as in Piece
}

// Result is how an answer ended.
type Result struct {
	Finish  Finish
	Err     error // nil, or why the answer is not whole: the context's error, ErrClosed, *BusyError or a failed step
	Timings Timings
	Tokens  int
	// Recalled is how many tokens of the prompt came from the prefix cache.
	Recalled  int
	latencies []uint32 // microseconds between tokens
}

// Timings are the parts of a request's time.
type Timings struct {
	Queue, Prefill, Decode, FirstToken time.Duration
}

// InterTokenLatency is the time from one token of an answer to the next, as the engine delivered it: the median, the 99th percentile
// (nearest rank) and the longest. All are 0 for an answer of fewer than two tokens.
type InterTokenLatency struct {
	P50, P99, Max time.Duration
}

// InterTokenLatency sums up the times between the answer's tokens.
func (r Result) InterTokenLatency() InterTokenLatency {
	n := len(r.latencies)
	if n == 0 {
		return InterTokenLatency{}
	}
	sorted := slices.Clone(r.latencies)
	slices.Sort(sorted)
	at := func(rank int) time.Duration { return time.Duration(sorted[rank-1]) * time.Microsecond }
	return InterTokenLatency{P50: at((n + 1) / 2), P99: at((99*n + 99) / 100), Max: at(n)}
}

// Stream delivers the answers to a request. Pieces is closed after the last piece of the last answer; then Result may be
// called. It has room for all of them: a reader that is slow or gone holds nobody up.
type Stream struct {
	Pieces  <-chan Piece
	pieces  chan Piece
	prompt  []PromptToken
	results []Result
	left    int                // answers that have not ended
	failed  error              // why the first of them failed
	cancel  context.CancelFunc // ends them all
	done    chan struct{}
}

// Result waits for the end of all answers and says how the first ended.
func (s *Stream) Result() Result { return s.Results()[0] }

// Results waits for the end of all answers and says how each ended. When one failed, those that had not ended by then
// failed with the same error.
func (s *Stream) Results() []Result {
	<-s.done
	return s.results
}

// Ended says how one answer ended; it may be called once its last piece has come.
func (s *Stream) Ended(choice int) Result { return s.results[choice] }

// Prompt is what the model thinks of the prompt's tokens, when that was asked for; that of the first is zero, since nothing is
// before it. It may be called once a piece has come or Pieces is closed.
func (s *Stream) Prompt() []PromptToken { return s.prompt }

// end records how an answer ended; the first failure ends the others. last says that all have ended.
func (s *Stream) end(choice int, r Result) (last bool) {
	if r.Err != nil {
		if s.failed == nil {
			s.failed = r.Err
			s.cancel()
		}
		r.Err = s.failed
	}
	s.results[choice] = r
	s.left--
	return s.left == 0
}

// close tells the reader that all answers have ended.
func (s *Stream) close() {
	s.cancel()
	close(s.pieces)
	close(s.done)
}
