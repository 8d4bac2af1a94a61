package scheduler

import (
	"cmp"
	"context"
	"time"
)

// Sequence is what a scheduler knows of an answer to be generated, or of a text to be scored. The caller fills it before Push and
// changes nothing but Prefilled afterwards.
type Sequence struct {
	Context   context.Context // when it is done the sequence is dropped
	Owner     any             // what the sequence is to the caller
	Submitted time.Time
	Prompt    int  // positions
	Cost      int  // tokens, prompt and longest answer: what counts against the queue and its group
	Score     bool // goes before all generations and takes no slot
	// PromptLogProbs of the whole prompt are wanted: it is computed apart, and a deadline does not cut it off.
	PromptLogProbs bool
	Priority       int           // lower goes first
	Group          string        // whose share it takes
	MaxWait        time.Duration // in the queue; 0 is without end
	Deadline       time.Time     // zero: none

	Prefilled int // positions of the prompt that are computed or known
	Staging   int // number of its staging row, below MaxPrefills, from Admit on until it is out of flight

	account *account // what its group has been given; nil of a score
	charged bool     // its cost is in the account: it has started and not ended
}

// TimedOut says whether a sequence has met its deadline.
func (q *Sequence) TimedOut(now time.Time) bool {
	return !q.Deadline.IsZero() && !now.Before(q.Deadline)
}

// late says whether a waiting sequence has waited for too long.
func (q *Sequence) late(now time.Time) bool {
	return q.MaxWait > 0 && now.Sub(q.Submitted) >= q.MaxWait || q.TimedOut(now)
}

// over says whether a sequence in flight is to be dropped. A prompt's log-probabilities come whole or not at all.
func (q *Sequence) over(now time.Time) bool {
	return q.Context.Err() != nil || !q.PromptLogProbs && q.TimedOut(now)
}

// left is how many positions of the prompt are still to be computed.
func (q *Sequence) left() int { return q.Prompt - q.Prefilled }

// rank compares what goes before all lengths: negative when q goes before o, 0 when their lengths decide.
func (q *Sequence) rank(o *Sequence) int {
	if q.Score != o.Score {
		if q.Score {
			return -1
		}
		return 1
	}
	return cmp.Compare(q.Priority, o.Priority)
}
