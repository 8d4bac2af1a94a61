package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// line is a queue on a clock of the test's, with a slot for everything that starts.
type line struct {
	t         testing.TB
	scheduler *Scheduler
	now       time.Time
}

func newLine(t testing.TB) *line {
	return &line{t: t, scheduler: New(Config{Slots: 1 << 40, MaxRequests: 1 << 20, MaxTokens: 1 << 40}), now: time.Unix(1000, 0)}
}

// add lets a generation wait that may take so many tokens.
func (l *line) add(group string, priority, cost int, change ...func(*Sequence)) *Sequence {
	l.t.Helper()
	q := &Sequence{Context: context.Background(), Group: group, Priority: priority, Cost: cost, Submitted: l.now}
	for _, f := range change {
		f(q)
	}
	if full, ok := l.scheduler.Reserve(1, cost, q.Score); !ok {
		l.t.Fatalf("no room: %+v", full)
	}
	l.scheduler.Push([]*Sequence{q})
	return q
}

// take starts the next one.
func (l *line) take() *Sequence {
	i, debt := l.scheduler.pick(l.now)
	if i < 0 {
		return nil
	}
	return l.scheduler.take(i, debt, l.now)
}

func score(q *Sequence) { q.Score = true }

// order starts everything and says what came when.
func (l *line) order() (list []string) {
	for s := l.take(); s != nil; s = l.take() {
		if s.Score {
			list = append(list, "score")
			continue
		}
		list = append(list, fmt.Sprint(s.Group, s.Cost))
	}
	return list
}

func (l *line) wantOrder(want ...string) {
	l.t.Helper()
	if got := l.order(); !slices.Equal(got, want) {
		l.t.Errorf("order %v, want %v", got, want)
	}
}

// TestOrder wants scores, then low priorities, then short ones, then those that came early; and without a slot scores alone.
func TestOrder(t *testing.T) {
	l := newLine(t)
	for _, cost := range []int{70, 50, 60} {
		l.add("a", 0, cost)
		l.add("b", 5, cost)
		l.add("c", -5, cost)
	}
	l.add("z", 100, 1)
	first, second := l.add("c", -5, 55), l.add("c", -5, 55)
	l.add("", 0, 500, score)
	l.scheduler.cfg.Slots = 0
	if s := l.take(); s == nil || !s.Score {
		t.Errorf("without a slot %+v starts, want the score", s)
	}
	if s := l.take(); s != nil {
		t.Errorf("without a slot %+v starts", s)
	}
	l.scheduler.cfg.Slots = 1 << 40
	l.add("", 0, 500, score)
	if s := l.take(); !s.Score {
		t.Errorf("%+v goes before a score", s)
	}
	if s := l.take(); s.Cost != 50 || s.Group != "c" {
		t.Errorf("%s%d goes first", s.Group, s.Cost)
	}
	if a, b := l.take(), l.take(); a != first || b != second {
		t.Error("of two of the same size the later one goes first")
	}
	l.wantOrder("c60", "c70", "a50", "a60", "a70", "b50", "b60", "b70", "z1")
	if n := len(l.scheduler.shares.accounts); n != 0 || l.scheduler.tokens != 0 {
		t.Errorf("an empty queue has %d accounts and %d tokens", n, l.scheduler.tokens)
	}
}

// TestDeadlinesDecideAmongEquals lets requests of a track wait: the earlier deadline goes first where nothing else tells them
// apart, and nothing goes before a shorter request or another priority for it.
func TestDeadlinesDecideAmongEquals(t *testing.T) {
	l := newLine(t)
	by := func(d time.Duration) func(*Sequence) { return func(s *Sequence) { s.Deadline = l.now.Add(d) } }
	want := []*Sequence{l.add("a", 0, 10), nil, nil, nil, nil, nil}
	want[5] = l.add("a", 1, 5, by(time.Second))
	want[3] = l.add("a", 0, 20)
	want[2] = l.add("a", 0, 20, by(9*time.Second))
	want[1] = l.add("a", 0, 20, by(8*time.Second))
	want[4] = l.add("a", 0, 20)
	for i, s := range want {
		if got := l.take(); got != s {
			t.Errorf("place %d: %d tokens, priority %d, deadline %s", i, got.Cost, got.Priority, got.Deadline)
		}
	}
}

// TestShares lets one group flood the queue with large requests while another always has a few small ones waiting, and a third
// comes late: whoever has requests waiting is given as many tokens as the others, to within the largest request. It is
// so too when everything is overdue.
func TestShares(t *testing.T) {
	for name, step := range map[string]time.Duration{"at once": 0, "everything is overdue": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			for range 200 {
				l.add("flood", 0, 900)
			}
			for range 4 {
				l.add("calm", 0, 40)
			}
			given := map[string]int{}
			start := func(n int) {
				for range n {
					s := l.take()
					given[s.Group] += s.Cost
					l.add(s.Group, 0, s.Cost)
					l.now = l.now.Add(step)
				}
			}
			within := func(names ...string) {
				t.Helper()
				lowest, highest := given[names[0]], given[names[0]]
				for _, name := range names {
					lowest, highest = min(lowest, given[name]), max(highest, given[name])
				}
				if lowest == 0 || highest-lowest > 2*900 {
					t.Errorf("given %v, want as much for %v", given, names)
				}
			}
			start(3000)
			within("flood", "calm")
			clear(given)
			l.add("late", 0, 300)
			l.add("late", 0, 300)
			start(3000)
			within("flood", "calm", "late")
		})
	}
}

// TestAbsence wants no credit for a group that was away, and no forgiveness: one that always has a single large request
// waiting gets no more than one that floods with small ones.
func TestAbsence(t *testing.T) {
	l := newLine(t)
	given := map[string]int{}
	for range 100 {
		l.add("small", 0, 10)
	}
	l.add("large", 0, 1000)
	for range 2000 {
		s := l.take()
		given[s.Group] += s.Cost
		l.scheduler.End(s, s.Cost)
		l.add(s.Group, 0, s.Cost)
	}
	if d := given["large"] - given["small"]; d > 1000 || d < -1000 {
		t.Errorf("given %v", given)
	}
	for range 20 { // had it credit from its absence, it would start several times in a row
		l.add("new", 0, 10)
	}
	news := 0
	for range 4 {
		if s := l.take(); s.Group == "new" {
			news++
		}
	}
	if news > 3 {
		t.Errorf("a new group started %d times of 4", news)
	}
}

// TestSettle charges for the tokens that answers took, not for those that they might have taken; what was charged too much
// comes back, but no credit for a time of absence with it.
func TestSettle(t *testing.T) {
	l := newLine(t)
	given := map[string]int{}
	for range 20 {
		l.add("modest", 0, 100)
		l.add("lavish", 0, 1000)
	}
	for range 4000 {
		s := l.take()
		given[s.Group] += 50
		l.scheduler.End(s, 50)
		l.add(s.Group, 0, s.Cost)
	}
	if d := given["modest"] - given["lavish"]; d > 1000 || d < -1000 {
		t.Errorf("both answer with 50 tokens and are given %v", given)
	}

	l = newLine(t)
	l.add("away", 0, 5000)
	for range 300 {
		l.add("busy", 0, 50)
	}
	var away *Sequence
	for range 81 { // the other group is given less than this one is charged with
		if s := l.take(); s.Group == "away" {
			away = s
		}
	}
	l.add("away", 0, 20)
	back := l.scheduler.shares.accounts[accountKey{0, "away"}]
	busy := l.scheduler.shares.accounts[accountKey{0, "busy"}]
	if away == nil || back.given != 5000 || busy.given != 80*50 {
		t.Fatalf("given %d after an absence, the other group %d", back.given, busy.given)
	}
	l.scheduler.End(away, 1)
	if back.given != busy.given {
		t.Errorf("given %d after it was settled, the other group %d", back.given, busy.given)
	}

	l = newLine(t)
	s := l.add("a", 0, 500)
	l.add("b", 0, 10)
	if l.take() != s {
		t.Fatal("the first group does not go first")
	}
	l.add("a", 0, 500)
	s.Prompt, s.Prefilled = 300, 128 // it ended in the middle of its prompt
	l.scheduler.End(s, 300)
	if got := s.account.given; got != 128 {
		t.Errorf("a prompt that ended at 128 is charged with %d", got)
	}
	l.scheduler.End(s, 0)
	if got := s.account.given; got != 128 {
		t.Errorf("settled twice: %d", got)
	}
}

// TestOverdue wants those that have waited for long to go first come, first served, within their group, after 2 s or half of
// the time that they have.
func TestOverdue(t *testing.T) {
	l := newLine(t)
	hasty := func(s *Sequence) { s.MaxWait = time.Second }
	l.add("a", 0, 90)
	l.add("a", 0, 80)
	l.add("a", 0, 70, hasty)
	l.now = l.now.Add(patience / 2)
	l.add("a", 0, 20)
	l.add("a", 0, 10)
	if s := l.take(); s.Cost != 70 {
		t.Errorf("of those with little time %d does not go first", s.Cost)
	}
	l.now = l.now.Add(patience / 2)
	l.wantOrder("a90", "a80", "a10", "a20")
}

// TestNobodyStarves floods the queue with small requests of the best priority: one that is overdue starts after four times the
// tokens of those before it.
func TestNobodyStarves(t *testing.T) {
	l := newLine(t)
	ahead, given, starts := 0, 0, 0
	for n := range 15 {
		cost := 1 + n*100
		l.add("early", n%3, cost)
		ahead += cost
	}
	poor := l.add("poor", 100, 1<<20)
	for range 10 {
		l.add("flood", -100, 1)
	}
	l.now = l.now.Add(patience)
	for {
		s := l.take()
		if s == poor {
			break
		}
		if s.Group == "flood" {
			l.add("flood", -100, 1)
		}
		starts++
		if given += s.Cost; given > (1+eldestShare)*ahead {
			t.Fatalf("not started after %d starts and %d tokens", starts, given)
		}
	}
	if given < ahead {
		t.Errorf("it started after %d tokens, those that came before it have %d", given, ahead)
	}
}

// TestCancelledTurns sweeps what is cancelled: its group pays nothing and does not hold others back.
func TestCancelledTurns(t *testing.T) {
	l := newLine(t)
	gone, cancel := context.WithCancel(context.Background())
	for range 3 {
		l.add("left", 0, 10, func(s *Sequence) { s.Context = gone })
		l.add("stays", 0, 50)
	}
	l.add("left", 0, 10, score, func(s *Sequence) { s.Context = gone })
	l.add("late", 1, 10, func(s *Sequence) { s.MaxWait = time.Millisecond })
	cancel()
	l.now = l.now.Add(time.Millisecond)
	if l.scheduler.sweep(l.now); len(l.scheduler.gone) != 5 || l.scheduler.tokens != 150 {
		t.Errorf("%d were swept, %d tokens are left", len(l.scheduler.gone), l.scheduler.tokens)
	}
	if n := len(l.scheduler.shares.accounts); n != 1 {
		t.Errorf("%d accounts are open, want that of the group that waits", n)
	}
	l.add("left", 0, 60)
	l.wantOrder("stays50", "left60", "stays50", "stays50")
}

// naive is fairShare once more, told by the rules alone: it sorts all that wait anew for each start, and keeps every account for
// as long as its priority has anything waiting.
type naive struct {
	waiting []*Sequence
	given   map[string]int
	floor   map[string]int
	number  map[string]int
	debt    int
}

func (m *naive) name(s *Sequence) string { return fmt.Sprint(s.Priority, "/", s.Group) }

// present are the names with generations waiting at a priority.
func (m *naive) present(priority int) (names []string) {
	for _, s := range m.waiting {
		if !s.Score && s.Priority == priority && !slices.Contains(names, m.name(s)) {
			names = append(names, m.name(s))
		}
	}
	return names
}

func (m *naive) push(s *Sequence, opened *int) {
	names := m.present(s.Priority)
	if len(names) == 0 {
		for name := range m.given {
			if name[:len(fmt.Sprint(s.Priority))+1] == fmt.Sprint(s.Priority, "/") {
				delete(m.given, name)
				delete(m.floor, name)
				delete(m.number, name)
			}
		}
	}
	if name := m.name(s); !slices.Contains(names, name) {
		lowest := 0
		for i, n := range names {
			if i == 0 || m.given[n] < lowest {
				lowest = m.given[n]
			}
		}
		if old, ok := m.given[name]; !ok || len(names) > 0 && old <= lowest {
			*opened++
			m.number[name] = *opened // its account was closed when the others had caught up
		}
		m.floor[name] = max(m.floor[name], lowest)
		m.given[name] = max(m.given[name], m.floor[name])
	}
	m.waiting = append(m.waiting, s)
}

func (m *naive) pop(now time.Time) *Sequence {
	for i, s := range m.waiting {
		if s.Score {
			m.waiting = slices.Delete(m.waiting, i, i+1)
			return s
		}
	}
	if len(m.waiting) == 0 {
		return nil
	}
	late := func(s *Sequence) bool {
		return now.Sub(s.Submitted) >= 2*time.Second || s.MaxWait > 0 && now.Sub(s.Submitted) >= s.MaxWait/2
	}
	size := func(s *Sequence) int {
		if late(s) {
			return -1
		}
		return s.Cost
	}
	sorted := slices.Clone(m.waiting)
	slices.SortStableFunc(sorted, func(a, b *Sequence) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(m.given[m.name(a)], m.given[m.name(b)]),
			cmp.Compare(m.number[m.name(a)], m.number[m.name(b)]), cmp.Compare(size(a), size(b)))
	})
	s := sorted[0]
	if i := slices.IndexFunc(m.waiting, late); i >= 0 && s != m.waiting[i] && m.debt == 0 {
		s = m.waiting[i]
		m.debt = 4 * s.Cost
	}
	m.debt = max(0, m.debt-s.Cost)
	m.given[m.name(s)] += s.Cost
	m.drop(s)
	return s
}

func (m *naive) drop(s *Sequence) {
	i := slices.Index(m.waiting, s)
	m.waiting = slices.Delete(m.waiting, i, i+1)
}

// TestFairShareIsTheModels compares thousands of random starts with the naive model.
func TestFairShareIsTheModels(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := newLine(t)
		m := &naive{given: map[string]int{}, floor: map[string]int{}, number: map[string]int{}}
		opened, cancels := 0, map[*Sequence]context.CancelFunc{}
		for step := range 600 {
			switch n := rng.IntN(10); {
			case n < 5:
				s := l.add(string(rune('a'+rng.IntN(4))), rng.IntN(2), 1+rng.IntN(40), func(s *Sequence) {
					ctx, cancel := context.WithCancel(context.Background())
					s.Context, cancels[s] = ctx, cancel
					if rng.IntN(20) == 0 {
						score(s)
					}
					if rng.IntN(3) == 0 {
						s.MaxWait = time.Duration(1+rng.IntN(6)) * time.Second
					}
				})
				m.push(s, &opened)
			case n < 9:
				l.scheduler.pick(l.now) // which changes nothing
				got, want := l.take(), m.pop(l.now)
				if got != want {
					t.Fatalf("seed %d, step %d: %+v starts, the model says %+v", seed, step, got, want)
				}
				delete(cancels, got)
			default:
				for s, cancel := range cancels {
					if s.Cost%7 == step%7 {
						cancel()
					}
				}
				l.scheduler.sweep(l.now)
				for _, s := range l.scheduler.gone {
					m.drop(s)
					delete(cancels, s)
				}
				l.scheduler.gone = nil
			}
			l.now = l.now.Add(time.Duration(rng.IntN(400)) * time.Millisecond)
		}
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// BenchmarkStart is a start out of a full queue of 256, and a new request in its place.
func BenchmarkStart(b *testing.B) {
	l := newLine(b)
	add := func(n int) { l.add(string(rune('a'+n%8)), n%3, 10+n%300) }
	for n := range 256 {
		add(n)
	}
	b.ReportAllocs()
	for n := range b.N {
		l.take()
		add(n)
	}
}
