package engine

import (
	"slices"
	"sync/atomic"
)

// lookupMaxMatch is the length of the longest match: more tokens tell nothing more.
const lookupMaxMatch = 4

// lookupRoom is how many tokens a draft has at most after a match of one token, of two, and so on; 0 is as many as there may be.
var lookupRoom = [1 + lookupMaxMatch]int{1: 1, 2: 3}

// A draft begins with lookupFirst tokens; after lookupPatience drafts in a row of which nothing was right there is none for
// lookupRest steps, for twice as many after the next one, and so on up to lookupMaxRest.
const (
	lookupFirst    = 8
	lookupPatience = 3
	lookupRest     = 4
	lookupMaxRest  = 64
)

// lookup is prompt-lookup decoding: it drafts the next tokens of a sequence that decodes alone, which are those that followed where its
// last tokens stood before, in prompt or answer. What it drafts depends on the tokens alone, so that a request that decodes alone from
// its first token to its last gets the same steps every time.
//
// The step computes the logits after every token of the draft, and tokens are picked from them one by one with the request's
// own numbers, for as long as the draft says the same: the answer is that of single steps, up to the rounding of a step of
// several tokens. What the step wrote into the cache beyond is overwritten by the next one.
type lookup struct {
	limit int       // tokens of the longest draft; 0 is off
	of    *sequence // whose draft, reach, missed and rest these are
	draft []int32   // of the present step

	reach  int // tokens that the next draft may have
	missed int // drafts in a row of which nothing was right
	rest   int // steps without a draft that are still to come

	steps, drafted, accepted atomic.Int64
}

func newLookup(limit int) *lookup { return &lookup{limit: limit, draft: make([]int32, 0, limit)} }

// Lookups are totals of drafts since the start, see Config.Lookup.
type Lookups struct {
	Steps    int64 // that carried a draft
	Drafted  int64 // tokens of drafts
	Accepted int64 // of them those that were the answer's
}

// Lookups reads the counters of drafts.
func (e *Engine) Lookups() Lookups {
	l := e.batch.lookup
	return Lookups{Steps: l.steps.Load(), Drafted: l.drafted.Load(), Accepted: l.accepted.Load()}
}

// forget drops the draft, and what was learned when it was about s or s is nil.
func (l *lookup) forget(s *sequence) {
	l.draft = l.draft[:0]
	if s == nil || l.of == s {
		l.of = nil
	}
}

// propose drafts what may follow the sequence's tokens: at most room tokens, none of them an end.
func (l *lookup) propose(s *sequence, room int, ends []int32) {
	l.draft = l.draft[:0]
	if l.of != s {
		l.of, l.reach, l.missed, l.rest = s, min(lookupFirst, l.limit), 0, 0
	}
	if room = min(room, l.reach); room < 1 {
		return
	}
	if l.rest > 0 {
		l.rest--
		return
	}
	next, long := match(s.tokens)
	if next == 0 {
		return
	}
	if limit := lookupRoom[long]; limit > 0 {
		room = min(room, limit)
	}
	for i := range room {
		var id int32
		if at := next + i; at < len(s.tokens) {
			id = s.tokens[at]
		} else {
			id = l.draft[at-len(s.tokens)] // the text repeats itself: so does the draft
		}
		if s.eos && slices.Contains(ends, id) {
			return
		}
		l.draft = append(l.draft, id)
	}
}

// learn says how many tokens of the draft were right.
func (l *lookup) learn(accepted int) {
	n := len(l.draft)
	l.steps.Add(1)
	l.drafted.Add(int64(n))
	l.accepted.Add(int64(accepted))
	switch {
	case accepted == n:
		l.missed = 0
		if n == l.reach { // a draft that was cut short says nothing about longer ones
			l.reach = min(2*l.reach, l.limit)
		}
	case accepted > 0:
		l.missed, l.reach = 0, min(accepted+1, l.limit)
	default:
		l.reach = max(l.reach/2, 1)
		if l.missed++; l.missed >= lookupPatience {
			l.rest = min(lookupRest<<min(l.missed-lookupPatience, 8), lookupMaxRest)
		}
	}
}

// match finds where the last tokens stood before and returns the place after it and for how many tokens it is the same; 0, 0
// when there is none. The longest match counts, and of those as long the latest.
func match(tokens []int32) (next, long int) {
	n := len(tokens)
	for at := n - 1; at > long && long < lookupMaxMatch; at-- { // a match ends before at
		same := 0
		for same < min(lookupMaxMatch, at) && tokens[at-1-same] == tokens[n-1-same] {
			same++
		}
		if same > long {
			next, long = at, same
		}
	}
	return next, long
}
