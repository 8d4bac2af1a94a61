package demo

import (
	"math/rand/v2"
	"strings"
)

// CorpusOptions says how a corpus is mixed. Shares are of 1 and are clamped
// to 0…1; a zero share leaves that ingredient out. Start from DefaultCorpus.
type CorpusOptions struct {
	Dialogues int // number of dialogues; 0 or less gives none

	// What a dialogue is about; what remains is facts.
	SmallTalkShare float64
	RefusalShare   float64
	NoteShare      float64 // facts overridden by a note in a system turn, with random rival values

	// How it is written.
	DistractorShare float64 // of note dialogues: the note is about another fact and changes nothing
	MultiTurnShare  float64 // dialogues of two or three exchanges
	SystemShare     float64 // dialogues without a note that open with a plain system turn
	TypoShare       float64 // questions with one slip of the keyboard
	TerseShare      float64 // questions with small words left out: "how long warranty tent"
}

// DefaultCorpus returns the mixture that the model that ships was trained on,
// but for the number of dialogues, which the trainer may raise.
func DefaultCorpus() CorpusOptions {
	return CorpusOptions{
		Dialogues:       40000,
		SmallTalkShare:  0.06,
		RefusalShare:    0.08,
		NoteShare:       0.15,
		DistractorShare: 0.25,
		MultiTurnShare:  0.15,
		SystemShare:     0.05,
		TypoShare:       0.10,
		TerseShare:      0.10,
	}
}

// Corpus returns opts.Dialogues dialogues made from the Train groups only.
// The same seed and options always give the same dialogues. Every fact and,
// within a fact, every training question comes up equally often, give or take
// one round.
func Corpus(seed uint64, opts CorpusOptions) []Dialogue {
	w := newWriter(seed, opts)
	out := make([]Dialogue, 0, max(opts.Dialogues, 0))
	for range opts.Dialogues {
		out = append(out, w.dialogue())
	}
	return out
}

// writer makes dialogues; it is the state of one Corpus call.
type writer struct {
	rng      *rand.Rand
	opts     CorpusOptions
	facts    *deck[Fact]
	asks     map[string]*deck[string] // plain training questions by fact
	talk     *deck[Exchange]
	refusals *deck[Exchange]
	reserved map[string]bool // plain forms of every other group's questions
}

func newWriter(seed uint64, opts CorpusOptions) *writer {
	rng := rand.New(rand.NewPCG(seed, 0x6665726e72696467))
	for _, share := range []*float64{&opts.SmallTalkShare, &opts.RefusalShare, &opts.NoteShare,
		&opts.DistractorShare, &opts.MultiTurnShare, &opts.SystemShare, &opts.TypoShare, &opts.TerseShare} {
		*share = min(max(*share, 0), 1)
	}
	w := &writer{
		rng: rng, opts: opts,
		facts:    newDeck(rng, facts),
		asks:     make(map[string]*deck[string], len(facts)),
		talk:     newDeck(rng, SmallTalk(Train)),
		refusals: newDeck(rng, Refusals(Train)),
		reserved: make(map[string]bool),
	}
	for _, f := range facts {
		w.asks[f.ID] = newDeck(rng, f.lower(Train))
		for _, g := range []Group{Heldout, Correction, Demo} {
			for _, q := range f.lower(g) {
				w.reserved[plain(q)] = true
			}
		}
	}
	for _, e := range append(SmallTalk(Heldout), Refusals(Heldout)...) {
		w.reserved[plain(e.Question)] = true
	}
	return w
}

// dialogue writes one dialogue.
func (w *writer) dialogue() Dialogue {
	var d Dialogue
	switch kind := w.rng.Float64(); {
	case kind < w.opts.NoteShare:
		return w.noted()
	case w.chance(w.opts.SystemShare):
		d = append(d, Turn{System, pick(w.rng, systemTurns)})
	}
	rounds := 1
	if w.chance(w.opts.MultiTurnShare) {
		rounds = 2 + w.rng.IntN(2)
	}
	for range rounds {
		d = append(d, w.round()...)
	}
	return d
}

// round writes one question and its answer, without a note. The shares of
// small talk and refusals are of all dialogues, those with notes included.
func (w *writer) round() Dialogue {
	free := max(1-w.opts.NoteShare, 1e-9)
	kind := w.rng.Float64() * free
	switch {
	case kind < w.opts.SmallTalkShare:
		e := w.talk.next()
		return w.exchange(e, strings.ToLower(strings.TrimRight(e.Question, "?.")))
	case kind < w.opts.SmallTalkShare+w.opts.RefusalShare:
		e := w.refusals.next()
		return w.exchange(e, framed(pick(w.rng, foreignFrames), e.Question))
	}
	f := w.facts.next()
	return Dialogue{
		{User, w.write(w.asks[f.ID].next())},
		{Assistant, pick(w.rng, f.Answers(f.Value))},
	}
}

func (w *writer) exchange(e Exchange, question string) Dialogue {
	return Dialogue{{User, w.write(question)}, {Assistant, pick(w.rng, e.Answers)}}
}

// noted writes a dialogue that opens with a note: mostly one that gives the
// asked fact a rival value, which the answer then states, otherwise one about
// another fact.
func (w *writer) noted() Dialogue {
	f := w.facts.next()
	about, value := f, f.Value
	if w.chance(w.opts.DistractorShare) {
		for about.ID == f.ID {
			about = pick(w.rng, facts)
		}
	}
	changed := pick(w.rng, about.Rivals)
	if about.ID == f.ID {
		value = changed
	}
	note := pick(w.rng, about.Answers(changed))
	return Dialogue{
		{System, "note: " + note},
		{User, w.write(w.asks[f.ID].next())},
		{Assistant, pick(w.rng, f.Answers(value))},
	}
}

// write gives the lower-case question a random style and perhaps a typo.
func (w *writer) write(q string) string {
	s := style(w.rng.IntN(int(styles)))
	if w.chance(w.opts.TerseShare) {
		if short := w.terse(q); !w.reserved[plain(short)] {
			q = short
		}
	}
	if w.chance(w.opts.TypoShare) {
		if slipped := w.slip(q); !w.reserved[plain(slipped)] {
			q = slipped
		}
	}
	text := s.dress(q)
	if w.rng.IntN(50) == 0 {
		text = strings.ToUpper(text)
	}
	return text
}

// terse leaves out about half of the question's small words.
func (w *writer) terse(q string) string {
	var kept []string
	for _, word := range strings.Split(q, " ") {
		if !small[word] || w.rng.IntN(2) == 0 {
			kept = append(kept, word)
		}
	}
	if len(kept) < 3 {
		return q
	}
	return strings.Join(kept, " ")
}

// small are the words that a hurried customer leaves out.
var small = map[string]bool{
	"a": true, "an": true, "are": true, "can": true, "do": true, "does": true, "have": true, "i": true,
	"is": true, "me": true, "my": true, "of": true, "the": true, "to": true, "you": true, "your": true,
}

// slip drops, doubles or swaps one letter of a word of five letters or more.
func (w *writer) slip(q string) string {
	parts := strings.Split(q, " ")
	at := w.rng.IntN(len(parts))
	word := []byte(parts[at])
	if len(word) < 5 {
		return q
	}
	i := 1 + w.rng.IntN(len(word)-2)
	switch w.rng.IntN(3) {
	case 0:
		word = append(word[:i], word[i+1:]...)
	case 1:
		word = append(word[:i+1], word[i:]...)
	default:
		word[i], word[i+1] = word[i+1], word[i]
	}
	parts[at] = string(word)
	return strings.Join(parts, " ")
}

func (w *writer) chance(share float64) bool { return w.rng.Float64() < share }

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

var systemTurns = list("You are the support desk of Fernridge Outfitters.|You are a helpful assistant.|" +
	"You answer customers of Fernridge Outfitters.|Answer briefly.|You are the assistant of an outdoor shop.")

// deck deals its cards in random order, again and again.
type deck[T any] struct {
	rng   *rand.Rand
	cards []T
	at    int
}

func newDeck[T any](rng *rand.Rand, cards []T) *deck[T] {
	return &deck[T]{rng: rng, cards: append([]T(nil), cards...)}
}

func (d *deck[T]) next() T {
	if d.at == 0 {
		d.rng.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
	}
	c := d.cards[d.at]
	d.at = (d.at + 1) % len(d.cards)
	return c
}
