package engine

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// line is a queue on a clock of the test's.
type line struct {
	t     testing.TB
	queue *queue
	now   time.Time
}

func newLine(t testing.TB) *line {
	return &line{t: t, queue: &queue{maxRequests: 1 << 20, maxTokens: 1 << 40}, now: time.Unix(1000, 0)}
}

// add lets a generation wait that may take so many tokens.
func (l *line) add(group string, priority, cost int, change ...func(*sequence)) *sequence {
	l.t.Helper()
	s := &sequence{ctx: context.Background(), group: group, priority: priority, cost: cost, limit: cost, submitted: l.now}
	for _, f := range change {
		f(s)
	}
	if err := l.queue.reserve(1, cost, s.score != nil); err != nil {
		l.t.Fatal(err)
	}
	if err := l.queue.push([]*sequence{s}); err != nil {
		l.t.Fatal(err)
	}
	return s
}

// take starts the next one.
func (l *line) take() *sequence { return l.queue.pop(true, l.now, nil) }

// end ends a generation that took so many tokens.
func (l *line) end(s *sequence, took int) {
	s.tokens = make([]int32, took)
	l.queue.settle(s)
}

func score(s *sequence) { s.score = &scoring{} }

// order starts everything and says what came when.
func (l *line) order() (list []string) {
	for s := l.take(); s != nil; s = l.take() {
		if s.score != nil {
			list = append(list, "score")
			continue
		}
		list = append(list, fmt.Sprint(s.group, s.cost))
	}
	return list
}

func (l *line) wantOrder(want ...string) {
	l.t.Helper()
	if got := l.order(); !slices.Equal(got, want) {
		l.t.Errorf("order %v, want %v", got, want)
	}
}

// TestTurns wants scores, then low priorities, then short ones, then those that came early; and without a slot scores alone.
func TestTurns(t *testing.T) {
	l := newLine(t)
	for _, cost := range []int{70, 50, 60} {
		l.add("a", 0, cost)
		l.add("b", 5, cost)
		l.add("c", -5, cost)
	}
	l.add("z", 100, 1)
	first, second := l.add("c", -5, 55), l.add("c", -5, 55)
	l.add("", 0, 500, score)
	if s := l.queue.pop(false, l.now, nil); s == nil || s.score == nil {
		t.Errorf("without a slot %+v starts, want the score", s)
	}
	if s := l.queue.pop(false, l.now, nil); s != nil {
		t.Errorf("without a slot %+v starts", s)
	}
	l.add("", 0, 500, score)
	if s := l.take(); s.score == nil {
		t.Errorf("%+v goes before a score", s)
	}
	if s := l.take(); s.cost != 50 || s.group != "c" {
		t.Errorf("%s%d goes first", s.group, s.cost)
	}
	if a, b := l.take(), l.take(); a != first || b != second {
		t.Error("of two of the same size the later one goes first")
	}
	l.wantOrder("c60", "c70", "a50", "a60", "a70", "b50", "b60", "b70", "z1")
	if n := len(l.queue.turns.accounts); n != 0 || l.queue.tokens != 0 {
		t.Errorf("an empty queue has %d accounts and %d tokens", n, l.queue.tokens)
	}
}

// TestDeadlinesDecideAmongEquals lets requests of a track wait: the earlier deadline goes first where nothing else tells them
// apart, and nothing goes before a shorter request or another priority for it.
func TestDeadlinesDecideAmongEquals(t *testing.T) {
	l := newLine(t)
	by := func(d time.Duration) func(*sequence) { return func(s *sequence) { s.deadline = l.now.Add(d) } }
	want := []*sequence{l.add("a", 0, 10), nil, nil, nil, nil, nil}
	want[5] = l.add("a", 1, 5, by(time.Second))
	want[3] = l.add("a", 0, 20)
	want[2] = l.add("a", 0, 20, by(9*time.Second))
	want[1] = l.add("a", 0, 20, by(8*time.Second))
	want[4] = l.add("a", 0, 20)
	for i, s := range want {
		if got := l.take(); got != s {
			t.Errorf("place %d: %d tokens, priority %d, deadline %s", i, got.cost, got.priority, got.deadline)
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
					given[s.group] += s.cost
					l.add(s.group, 0, s.cost)
					l.now = l.now.Add(step)
				}
			}
			within := func(names ...string) {
				t.Helper()
				least, most := given[names[0]], given[names[0]]
				for _, name := range names {
					least, most = min(least, given[name]), max(most, given[name])
				}
				if least == 0 || most-least > 2*900 {
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
		given[s.group] += s.cost
		l.end(s, s.cost)
		l.add(s.group, 0, s.cost)
	}
	if d := given["large"] - given["small"]; d > 1000 || d < -1000 {
		t.Errorf("given %v", given)
	}
	for range 20 { // had it credit from its absence, it would start several times in a row
		l.add("new", 0, 10)
	}
	news := 0
	for range 4 {
		if s := l.take(); s.group == "new" {
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
		given[s.group] += 50
		l.end(s, 50)
		l.add(s.group, 0, s.cost)
	}
	if d := given["modest"] - given["lavish"]; d > 1000 || d < -1000 {
		t.Errorf("both answer with 50 tokens and are given %v", given)
	}

	l = newLine(t)
	l.add("away", 0, 5000)
	for range 300 {
		l.add("busy", 0, 50)
	}
	var away *sequence
	for range 81 { // the other group is given less than this one is charged with
		if s := l.take(); s.group == "away" {
			away = s
		}
	}
	l.add("away", 0, 20)
	back := l.queue.turns.accounts[accountKey{0, "away"}]
	busy := l.queue.turns.accounts[accountKey{0, "busy"}]
	if away == nil || back.given != 5000 || busy.given != 80*50 {
		t.Fatalf("given %d after an absence, the other group %d", back.given, busy.given)
	}
	l.end(away, 1)
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
	s.prompt, s.prefilled = 300, 128 // it ended in the middle of its prompt
	l.end(s, 300)
	if got := s.account.given; got != 128 {
		t.Errorf("a prompt that ended at 128 is charged with %d", got)
	}
	l.end(s, 0)
	if got := s.account.given; got != 128 {
		t.Errorf("settled twice: %d", got)
	}
}

// TestOverdue wants those that have waited for long to go first come, first served, within their group, after 2 s or half of
// the time that they have.
func TestOverdue(t *testing.T) {
	l := newLine(t)
	hasty := func(s *sequence) { s.maxWait = time.Second }
	l.add("a", 0, 90)
	l.add("a", 0, 80)
	l.add("a", 0, 70, hasty)
	l.now = l.now.Add(patience / 2)
	l.add("a", 0, 20)
	l.add("a", 0, 10)
	if s := l.take(); s.cost != 70 {
		t.Errorf("of those with little time %d does not go first", s.cost)
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
		if s.group == "flood" {
			l.add("flood", -100, 1)
		}
		starts++
		if given += s.cost; given > (1+eldestShare)*ahead {
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
		l.add("left", 0, 10, func(s *sequence) { s.ctx = gone })
		l.add("stays", 0, 50)
	}
	l.add("left", 0, 10, score, func(s *sequence) { s.ctx = gone })
	l.add("late", 1, 10, func(s *sequence) { s.maxWait = time.Millisecond })
	cancel()
	l.now = l.now.Add(time.Millisecond)
	if list := l.queue.sweep(l.now, nil); len(list) != 5 || l.queue.tokens != 150 {
		t.Errorf("%d were swept, %d tokens are left", len(list), l.queue.tokens)
	}
	if n := len(l.queue.turns.accounts); n != 1 {
		t.Errorf("%d accounts are open, want that of the group that waits", n)
	}
	l.add("left", 0, 60)
	l.wantOrder("stays50", "left60", "stays50", "stays50")
}

// naive is turns once more, told by the rules alone: it sorts all that wait anew for each start, and keeps every account for
// as long as its priority has anything waiting.
type naive struct {
	waiting []*sequence
	given   map[string]int
	floor   map[string]int
	number  map[string]int
	debt    int
}

func (m *naive) name(s *sequence) string { return fmt.Sprint(s.priority, "/", s.group) }

// present are the names with generations waiting at a priority.
func (m *naive) present(priority int) (names []string) {
	for _, s := range m.waiting {
		if s.score == nil && s.priority == priority && !slices.Contains(names, m.name(s)) {
			names = append(names, m.name(s))
		}
	}
	return names
}

func (m *naive) push(s *sequence, opened *int) {
	names := m.present(s.priority)
	if len(names) == 0 {
		for name := range m.given {
			if name[:len(fmt.Sprint(s.priority))+1] == fmt.Sprint(s.priority, "/") {
				delete(m.given, name)
				delete(m.floor, name)
				delete(m.number, name)
			}
		}
	}
	if name := m.name(s); !slices.Contains(names, name) {
		least := 0
		for i, n := range names {
			if i == 0 || m.given[n] < least {
				least = m.given[n]
			}
		}
		if old, ok := m.given[name]; !ok || len(names) > 0 && old <= least {
			*opened++
			m.number[name] = *opened // its account was closed when the others had caught up
		}
		m.floor[name] = max(m.floor[name], least)
		m.given[name] = max(m.given[name], m.floor[name])
	}
	m.waiting = append(m.waiting, s)
}

func (m *naive) pop(now time.Time) *sequence {
	for i, s := range m.waiting {
		if s.score != nil {
			m.waiting = slices.Delete(m.waiting, i, i+1)
			return s
		}
	}
	if len(m.waiting) == 0 {
		return nil
	}
	late := func(s *sequence) bool {
		return now.Sub(s.submitted) >= 2*time.Second || s.maxWait > 0 && now.Sub(s.submitted) >= s.maxWait/2
	}
	size := func(s *sequence) int {
		if late(s) {
			return -1
		}
		return s.cost
	}
	sorted := slices.Clone(m.waiting)
	slices.SortStableFunc(sorted, func(a, b *sequence) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(m.given[m.name(a)], m.given[m.name(b)]),
			cmp.Compare(m.number[m.name(a)], m.number[m.name(b)]), cmp.Compare(size(a), size(b)))
	})
	s := sorted[0]
	if i := slices.IndexFunc(m.waiting, late); i >= 0 && s != m.waiting[i] && m.debt == 0 {
		s = m.waiting[i]
		m.debt = 4 * s.cost
	}
	m.debt = max(0, m.debt-s.cost)
	m.given[m.name(s)] += s.cost
	m.drop(s)
	return s
}

func (m *naive) drop(s *sequence) {
	i := slices.Index(m.waiting, s)
	m.waiting = slices.Delete(m.waiting, i, i+1)
}

// TestTurnsAreTheModels compares thousands of random starts with the naive model.
func TestTurnsAreTheModels(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := newLine(t)
		m := &naive{given: map[string]int{}, floor: map[string]int{}, number: map[string]int{}}
		opened, cancels := 0, map[*sequence]context.CancelFunc{}
		for step := range 600 {
			switch n := rng.IntN(10); {
			case n < 5:
				s := l.add(string(rune('a'+rng.IntN(4))), rng.IntN(2), 1+rng.IntN(40), func(s *sequence) {
					ctx, cancel := context.WithCancel(context.Background())
					s.ctx, cancels[s] = ctx, cancel
					if rng.IntN(20) == 0 {
						score(s)
					}
					if rng.IntN(3) == 0 {
						s.maxWait = time.Duration(1+rng.IntN(6)) * time.Second
					}
				})
				m.push(s, &opened)
			case n < 9:
				if s := l.queue.pop(true, l.now, func(*sequence) bool { return false }); s != nil { // which changes nothing
					t.Fatalf("seed %d, step %d: %+v starts, and may not", seed, step, s)
				}
				got, want := l.take(), m.pop(l.now)
				if got != want {
					t.Fatalf("seed %d, step %d: %+v starts, the model says %+v", seed, step, got, want)
				}
				delete(cancels, got)
			default:
				for s, cancel := range cancels {
					if s.cost%7 == step%7 {
						cancel()
					}
				}
				for _, s := range l.queue.sweep(l.now, nil) {
					m.drop(s)
					delete(cancels, s)
				}
			}
			l.now = l.now.Add(time.Duration(rng.IntN(400)) * time.Millisecond)
		}
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// BenchmarkTurn is a start out of a full queue of 256, and a new request in its place.
func BenchmarkTurn(b *testing.B) {
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
