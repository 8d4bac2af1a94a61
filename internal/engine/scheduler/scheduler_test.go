package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// arrival is a sequence that comes at the beginning of an iteration.
type arrival struct {
	at       int // iteration, from 0 on
	name     string
	prompt   int
	answer   int // tokens; 0 is 1
	group    string
	priority int
	known    int // positions of the prompt, on the grid
	maxWait  time.Duration
	deadline time.Duration // from its arrival on; 0 is none
	score    bool
	whole    bool // the prompt's log-probabilities are wanted
	cancel   int  // iteration at whose beginning it is cancelled; 0 is never
}

// machine carries out work as an engine does, but for the computing: an iteration takes a second.
type machine struct {
	t         testing.TB
	scheduler *Scheduler
	now       time.Time
	iteration int
	chunk     int
	arrivals  map[*Sequence]*arrival
	cancels   map[*Sequence]context.CancelFunc
	decoding  []*Sequence
	tokens    map[*Sequence]int
	positions int // of the present iteration
	log       []string
}

func newMachine(t testing.TB, slots, chunk int) *machine {
	m := &machine{t: t, now: time.Unix(1000, 0), chunk: chunk, arrivals: map[*Sequence]*arrival{}, cancels: map[*Sequence]context.CancelFunc{}, tokens: map[*Sequence]int{}}
	m.scheduler = New(Config{Slots: slots, Chunk: chunk, MaxRequests: 1 << 20, MaxTokens: 1 << 30, Known: func(q *Sequence) int { return m.arrivals[q].known }})
	return m
}

func (m *machine) push(a arrival) *Sequence {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m.t.Cleanup(cancel)
	a.answer = max(a.answer, 1)
	q := &Sequence{Context: ctx, Submitted: m.now, Prompt: a.prompt, Cost: a.prompt + a.answer, Score: a.score, PromptLogProbs: a.whole, Priority: a.priority, Group: a.group, MaxWait: a.maxWait}
	if a.score {
		q.Cost = a.prompt
	}
	if a.deadline != 0 {
		q.Deadline = m.now.Add(a.deadline)
	}
	m.arrivals[q], m.cancels[q] = &a, cancel
	if full, ok := m.scheduler.Reserve(1, q.Cost, q.Score); !ok {
		m.t.Fatalf("no room for %s: %+v", a.name, full)
	}
	m.scheduler.Push([]*Sequence{q})
	return q
}

func (m *machine) name(q *Sequence) string { return m.arrivals[q].name }

// iterate carries out one iteration and says whether there was anything to do.
func (m *machine) iterate() bool {
	m.t.Helper()
	m.iteration++
	m.positions = 0
	for q, cancel := range m.cancels {
		if m.arrivals[q].cancel == m.iteration-1 && m.iteration > 1 {
			cancel()
		}
	}
	m.log = m.log[:0]
	for {
		w := m.scheduler.Next(m.now)
		switch w.Kind {
		case Drop:
			m.log = append(m.log, "drop "+m.name(w.Sequence))
			if slices.Contains(m.scheduler.Prefilling(), w.Sequence) {
				m.scheduler.EndPrefill(w.Sequence)
			}
			m.scheduler.End(w.Sequence, w.Sequence.Prompt)
			delete(m.cancels, w.Sequence)
		case Admit:
			m.log = append(m.log, "admit "+m.name(w.Sequence))
			w.Sequence.Prefilled = m.arrivals[w.Sequence].known
		case Prefill:
			m.prefill(w.Sequence)
		case PrefillTogether:
			names := make([]string, len(w.Together))
			for i, q := range w.Together {
				names[i] = m.name(q)
				m.positions += q.Prompt
				q.Prefilled = q.Prompt
				m.join(q)
			}
			m.log = append(m.log, "together "+strings.Join(names, "+"))
		case Decode:
			m.decode()
			m.now = m.now.Add(time.Second)
			return true
		default:
			m.now = m.now.Add(time.Second)
			return false
		}
	}
}

func (m *machine) prefill(q *Sequence) {
	end := m.scheduler.ChunkEnd(q)
	m.log = append(m.log, fmt.Sprint(m.name(q), " ", q.Prefilled, "-", end))
	m.positions += end - q.Prefilled
	if q.Prefilled = end; end < q.Prompt {
		return
	}
	if q.Score {
		m.end(q)
	} else {
		m.join(q)
	}
	m.scheduler.EndPrefill(q)
}

// join delivers the first token.
func (m *machine) join(q *Sequence) {
	m.decoding = append(m.decoding, q)
	m.deliver(q)
}

func (m *machine) deliver(q *Sequence) {
	if m.tokens[q]++; m.tokens[q] == m.arrivals[q].answer {
		m.end(q)
		m.decoding = slices.DeleteFunc(m.decoding, func(o *Sequence) bool { return o == q })
	}
}

func (m *machine) decode() {
	names := []string{}
	for _, q := range slices.Clone(m.decoding) {
		names = append(names, m.name(q))
		m.deliver(q)
	}
	if len(names) > 0 {
		m.log = append(m.log, "decode "+strings.Join(names, "+"))
	}
}

func (m *machine) end(q *Sequence) {
	m.scheduler.End(q, q.Prompt+m.tokens[q])
	delete(m.cancels, q)
}

// TestNext compares the work of iterations with what it has to be, with chunks of 16 positions.
func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		slots    int
		arrivals []arrival
		want     []string // of each iteration
	}{
		"nothing": {1, nil, []string{""}},
		"one": {1, []arrival{{name: "a", prompt: 20, answer: 3}}, []string{
			"admit a, a 0-16", "a 16-20, decode a", "decode a", ""}},
		"a short prompt is computed at the end of the iteration": {4, []arrival{{name: "a", prompt: 15, answer: 2}, {name: "b", prompt: 16}}, []string{
			"admit a, admit b, together a, decode a", "b 0-16", ""}},
		"short prompts of like length": {9, []arrival{{name: "a", prompt: 2}, {name: "b", prompt: 1}, {name: "c", prompt: 1}, {name: "d", prompt: 9}, {name: "e", prompt: 3, whole: true}}, []string{
			"admit b, admit c, admit a, admit e, e 0-3, admit d, together b+c, together a+d", ""}},
		"prompts whose lengths differ by more than is padded": {9, []arrival{{name: "a", prompt: 2}, {name: "b", prompt: 11}}, []string{
			"admit a, admit b, together a, together b", ""}},
		"slots": {2, []arrival{{name: "a", prompt: 2, answer: 3}, {name: "b", prompt: 3, answer: 3}, {name: "c", prompt: 4, answer: 3}}, []string{
			"admit a, admit b, together a+b, decode a+b", "decode a+b", "admit c, together c, decode c", "decode c", ""}},
		"a score goes first and takes no slot": {1, []arrival{{name: "a", prompt: 2, answer: 9}, {at: 1, name: "b", prompt: 2}, {at: 1, name: "s", prompt: 20, score: true}}, []string{
			"admit a, together a, decode a", "admit s, s 0-16, decode a", "s 16-20, decode a"}},
		"half as long overtakes": {4, []arrival{{name: "a", prompt: 96}, {at: 1, name: "b", prompt: 40}}, []string{
			"admit a, a 0-16", "admit b, b 0-16", "b 16-32", "b 32-40", "a 16-32"}},
		"more than half as long waits": {4, []arrival{{name: "a", prompt: 96}, {at: 1, name: "b", prompt: 41}}, []string{
			"admit a, a 0-16", "a 16-32", "a 32-48", "a 48-64", "a 64-80", "a 80-96, admit b", "b 0-16"}},
		"what is known does not count": {4, []arrival{{name: "a", prompt: 96}, {at: 1, name: "b", prompt: 41, known: 16}}, []string{
			"admit a, a 0-16", "admit b, b 16-32", "b 32-41"}},
		"urgent overtakes whatever its length": {4, []arrival{{name: "a", prompt: 33}, {at: 1, name: "b", prompt: 48, priority: -1}}, []string{
			"admit a, a 0-16", "admit b, b 0-16", "b 16-32", "b 32-48", "a 16-32", "a 32-33"}},
		"the first in flight goes on in every fourth iteration": {4, []arrival{{name: "a", prompt: 48}, {at: 1, name: "b", prompt: 99, priority: -1}}, []string{
			"admit a, a 0-16", "admit b, b 0-16", "b 16-32", "b 32-48", "a 16-32", "b 48-64", "b 64-80", "b 80-96", "a 32-48", "b 96-99"}},
		"and in every other while another group overtakes it": {4, []arrival{{name: "a", prompt: 96, group: "a"}, {at: 1, name: "b", prompt: 40, group: "b"}}, []string{
			"admit a, a 0-16", "admit b, b 0-16", "a 16-32", "b 16-32", "a 32-48", "b 32-40", "a 48-64"}},
		"four in flight": {9, []arrival{{name: "a", prompt: 320}, {at: 1, name: "b", prompt: 140}, {at: 2, name: "c", prompt: 60}, {at: 3, name: "d", prompt: 22}, {at: 4, name: "e", prompt: 3}}, []string{
			"admit a, a 0-16", "admit b, b 0-16", "admit c, c 0-16", "admit d, d 0-16", "a 16-32", "d 16-22, admit e, together e", "c 16-32"}},
		"groups alternate": {1, []arrival{{name: "a", prompt: 9, group: "a"}, {name: "b", prompt: 9, group: "a"}, {name: "c", prompt: 9, group: "c"}}, []string{
			"admit a, together a", "admit c, together c", "admit b, together b"}},
		"shortest first, until the first one is overdue": {1, []arrival{{name: "a", prompt: 15}, {name: "b", prompt: 14}, {at: 1, name: "c", prompt: 13}, {at: 2, name: "d", prompt: 12}}, []string{
			"admit b, together b", "admit c, together c", "admit a, together a", "admit d, together d"}},
		"cancelled": {1, []arrival{{name: "a", prompt: 99, cancel: 2}, {name: "b", prompt: 100, cancel: 1}, {name: "c", prompt: 120}}, []string{
			"admit a, a 0-16", "drop b, a 16-32", "drop a, admit c, c 0-16"}},
		"too long in the queue": {1, []arrival{{name: "a", prompt: 48}, {name: "b", prompt: 50, maxWait: time.Second}, {name: "c", prompt: 50, deadline: 2 * time.Second}}, []string{
			"admit a, a 0-16", "drop b, a 16-32", "drop c, a 32-48"}},
		"a deadline cuts a prompt off, but not its log-probabilities": {2, []arrival{{name: "a", prompt: 48, deadline: time.Second}, {name: "b", prompt: 40, deadline: time.Second, whole: true}}, []string{
			"admit b, b 0-16", "drop a, b 16-32", "b 32-40"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, c.slots, 16)
			for i, want := range c.want {
				for _, a := range c.arrivals {
					if a.at == i {
						m.push(a)
					}
				}
				m.iterate()
				if got := strings.Join(m.log, ", "); got != want {
					t.Errorf("iteration %d: %s; want %s", i, got, want)
				}
			}
		})
	}
}

// TestDropBeforeItsChunk cancels a sequence between its admission and its first chunk, whose positions count all the same.
func TestDropBeforeItsChunk(t *testing.T) {
	m := newMachine(t, 4, 16)
	q := m.push(arrival{name: "a", prompt: 10, answer: 5})
	if w := m.scheduler.Next(m.now); w.Kind != Admit || w.Sequence != q {
		t.Fatalf("%+v comes first", w)
	}
	m.push(arrival{name: "b", prompt: 12})
	m.cancels[q]()
	m.iterate()
	if got := strings.Join(m.log, ", "); got != "drop a, admit b" {
		t.Errorf("then %s", got)
	}
	m.iterate()
	if got := strings.Join(m.log, ", "); got != "together b" || m.scheduler.running != 0 {
		t.Errorf("at last %s; %d are running", got, m.scheduler.running)
	}
}

// TestBounds drives random sequences and looks at every iteration: nobody starts without a slot, no two have one staging row, no
// iteration computes more positions than a chunk's, and all of them end.
func TestBounds(t *testing.T) {
	for _, slots := range []int{1, 2, 3, 9} {
		m := newMachine(t, slots, 16)
		rng := rand.New(rand.NewPCG(uint64(slots), 3))
		highest := 0
		for n := 0; n < 3000 || len(m.cancels) > 0; n++ {
			if n > 30000 {
				t.Fatalf("%d sequences have not ended", len(m.cancels))
			}
			if n < 3000 && n%3 == 0 {
				a := arrival{name: fmt.Sprint(n), prompt: 1 + rng.IntN(12), answer: 1 + rng.IntN(9), group: fmt.Sprint(rng.IntN(3)), priority: rng.IntN(2), score: n%15 == 0, whole: rng.IntN(20) == 0}
				if n%2 == 0 {
					a.prompt = 1 + rng.IntN(280)
					a.known = rng.IntN(a.prompt) / 16 * 16
				}
				if rng.IntN(10) == 0 {
					a.cancel = n + rng.IntN(40)
				}
				m.push(a)
			}
			m.iterate()
			list := m.scheduler.Prefilling()
			highest = max(highest, len(list))
			if m.positions > m.chunk {
				t.Fatalf("an iteration computed %d positions", m.positions)
			}
			if running := len(m.decoding) + m.scheduler.prefills.generations(); running > slots || running != m.scheduler.running || len(list) > MaxPrefills {
				t.Fatalf("%d generations run on %d slots, %d are counted; %d prompts are in flight", running, slots, m.scheduler.running, len(list))
			}
			for i, q := range list {
				if q.Staging < 0 || q.Staging >= MaxPrefills || slices.ContainsFunc(list[:i], func(o *Sequence) bool { return o.Staging == q.Staging }) {
					t.Fatalf("prompt %d of %d has no row of its own", i, len(list))
				}
			}
		}
		if want := min(slots+1, 3); highest < want {
			t.Errorf("%d slots: never more than %d prompts were in flight, want %d", slots, highest, want)
		}
		if l := m.scheduler.Load(); l.Waiting != 0 || l.Tokens != 0 || m.scheduler.reserved != 0 || len(m.scheduler.shares.accounts) != 0 {
			t.Errorf("at the end the queue is %+v with %d accounts", l, len(m.scheduler.shares.accounts))
		}
	}
}

// TestIterationsDoNotAllocate counts allocations of iterations in which sequences wait, are in flight and decode.
func TestIterationsDoNotAllocate(t *testing.T) {
	s := New(Config{Slots: 4, Chunk: 16, MaxRequests: 100, MaxTokens: 1 << 20, Known: func(*Sequence) int { return 0 }})
	now := time.Unix(1000, 0)
	for i, n := range []int{3, 5, 1000, 990, 980, 970} {
		s.Reserve(1, n, false)
		s.Push([]*Sequence{{Context: context.Background(), Submitted: now, Prompt: n, Cost: n, Group: fmt.Sprint(i % 2)}})
	}
	kinds := map[Kind]int{Idle: 0, Drop: 0, Admit: 0, Prefill: 0, PrefillTogether: 0, Decode: 0}
	iterate := func() {
		for kind := Idle; kind != Decode; {
			w := s.Next(now)
			kind = w.Kind
			kinds[kind]++ // a chunk is never done, so the same come again and again
		}
	}
	iterate()
	iterate()
	for kind := range kinds {
		kinds[kind] = 0
	}
	if n := testing.AllocsPerRun(50, iterate); n != 0 || kinds[Prefill] != 51 || kinds[Decode] != 51 || s.running != 3 || len(s.waiting) != 3 {
		t.Errorf("%v allocations; work %v, %d run and %d wait", n, kinds, s.running, len(s.waiting))
	}
}

// TestDrain takes out what waits, what is in flight and what is about to be computed together.
func TestDrain(t *testing.T) {
	m := newMachine(t, 3, 16)
	m.push(arrival{name: "long", prompt: 100})
	m.iterate()
	m.push(arrival{name: "short", prompt: 5})
	m.push(arrival{name: "late", prompt: 50, deadline: -time.Second})
	m.push(arrival{name: "gone", prompt: 50, deadline: -time.Second})
	m.push(arrival{name: "waiting", prompt: 90})
	m.push(arrival{name: "score", prompt: 90, score: true})
	if w := m.scheduler.Next(m.now); w.Kind != Drop || m.name(w.Sequence) != "late" {
		t.Fatalf("%+v comes first", w)
	}
	drained := func(want ...string) {
		t.Helper()
		var names []string
		for _, q := range m.scheduler.Drain() {
			names = append(names, m.name(q))
		}
		if !slices.Equal(names, want) {
			t.Errorf("%v are taken out, want %v", names, want)
		}
		if l := m.scheduler.Load(); l.Waiting != 0 || l.Tokens != 0 || len(m.scheduler.Drain()) != 0 || len(m.scheduler.Prefilling()) != 0 {
			t.Errorf("%+v is left", l)
		}
	}
	drained("gone", "short", "waiting", "score", "long")

	m = newMachine(t, 3, 16)
	m.push(arrival{name: "aside", prompt: 3})
	m.push(arrival{name: "admitted", prompt: 4})
	for range 2 {
		if w := m.scheduler.Next(m.now); w.Kind != Admit {
			t.Fatalf("%+v comes, want two to start", w)
		}
	}
	drained("admitted", "aside")
}
