package engine

import (
	"sync"
	"sync/atomic"

	"nightshift/internal/sampling"
)

// pickShare is how many logits a goroutine has to look at, at least, so that it is worth waking: two rows of GPT-2's vocabulary
// are sampled by one, three by two.
const pickShare = 1 << 16

// picked is a sampled token, or why there is none.
type picked struct {
	token   int32
	logProb float32
	top     []sampling.Choice
	err     error
}

// pick samples the sequence's next token. It touches the sequence, its sampler and the logits alone, so sequences may be
// sampled at the same time.
func (s *sequence) pick(logits []float32) (p picked) {
	defer func() {
		if r := recover(); r != nil {
			p.err = panicked("sample a token", r)
		}
	}()
	step := len(s.tokens) - s.Prompt
	if step == 0 {
		s.sampler.Adjust(s.adjust)
		s.tops = make([]sampling.Choice, 0, s.top*(s.limit-s.Prompt))
	}
	if p.token, p.logProb, p.err = s.sampler.PickAfter(logits, s.tokens[:s.Prompt], s.tokens[s.Prompt:], uint64(step)); p.err == nil && s.top > 0 {
		n := len(s.tops)
		p.top, p.err = s.sampler.Likeliest(s.tops[n:n:n+s.top], logits, s.top)
		s.tops = s.tops[:n+len(p.top)]
	}
	return p
}

// picker samples the rows of a batch on several goroutines. Which one samples a row is chance, and no token depends on it. Its
// goroutines end with the step that started them; the runtime keeps their memory for the next ones. It serves one caller at a
// time.
type picker struct {
	threads int // goroutines at most, the caller's included
	share   int // logits of a goroutine at least
	picks   []picked
	help    func() // the body of a goroutine beside the caller's

	// Of the present step.
	rows    []*sequence
	logits  []float32
	vocab   int          // logits of a row
	next    atomic.Int64 // row that nobody samples yet
	helpers sync.WaitGroup
}

func newPicker(threads, slots int) *picker {
	p := &picker{threads: threads, share: pickShare, picks: make([]picked, slots)}
	p.help = func() {
		defer p.helpers.Done()
		p.work()
	}
	return p
}

// sample picks the next token of every row from logits [rows, vocabulary], or [more, vocabulary]. The result is good until the
// next call.
func (p *picker) sample(rows []*sequence, logits []float32, vocab int) []picked {
	p.rows, p.logits, p.vocab = rows, logits, vocab
	p.next.Store(0)
	for range min(p.threads, len(rows), len(rows)*vocab/p.share) - 1 {
		p.helpers.Add(1)
		go p.help()
	}
	p.work()
	p.helpers.Wait()
	return p.picks[:len(rows)]
}

// work samples rows for as long as there are some.
func (p *picker) work() {
	for {
		i := int(p.next.Add(1)) - 1
		if i >= len(p.rows) {
			return
		}
		p.picks[i] = p.rows[i].pick(p.logits[i*p.vocab : (i+1)*p.vocab])
	}
}
