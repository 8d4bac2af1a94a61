package engine

import (
	"math"
	"time"
)

const (
	// patience is how long a generation waits before it counts as overdue; half of its MaxWait where that is less.
	patience = 2 * time.Second
	// eldestShare is how many tokens others are given for each that goes to an eldest overdue generation out of its turn.
	eldestShare = 3
)

// turns says which of the waiting generations starts next:
//
//   - one of the lowest Priority,
//   - among these one of the group that has been given the fewest tokens while it had some waiting: start-time fair queueing
//     (Goyal, Vin and Cheng, 1996) with one virtual time a group,
//   - among these one that is overdue, first come, first served, or else the one with the fewest tokens, prompt and longest
//     answer together, and of those with as many the one with the earliest Deadline,
//
// except that a quarter of the tokens goes to the eldest overdue generation, whatever its priority and group, until none is
// overdue. So one that is overdue starts after about four times the tokens of those that came before it, and nobody starves;
// and since its group pays for it like for any other, up to four groups get equal shares also when everything is overdue, and
// of more no group gets more than a quarter by flooding.
//
// Groups are compared within a priority: what is given at one priority counts at no other.
type turns struct {
	accounts map[accountKey]*account
	opened   int // accounts ever
	debt     int // tokens that others are given before an eldest overdue generation starts out of its turn again
}

type accountKey struct {
	priority int
	group    string
}

// account is what a group has been given at a priority. Its figures mean something beside those of other accounts of the same
// priority only. Accounts live while generations of their priority wait.
type account struct {
	key     accountKey
	number  int // in the order of opening: who goes first among equals
	waiting int
	given   int // tokens
	floor   int // the least given among the groups that were waiting when this one came: absence earns no credit
}

// enter counts a generation that begins to wait.
func (t *turns) enter(s *sequence) {
	key := accountKey{s.priority, s.group}
	a := t.accounts[key]
	if a == nil {
		if t.accounts == nil {
			t.accounts = map[accountKey]*account{}
		}
		t.opened++
		a = &account{key: key, number: t.opened}
		t.accounts[key] = a
	}
	if a.waiting == 0 {
		if least, some := t.least(key.priority); some {
			a.floor = max(a.floor, least)
		}
		a.given = max(a.given, a.floor)
	}
	a.waiting++
	s.account = a
}

// least is the smallest given among the groups that have generations waiting at a priority, if there are any.
func (t *turns) least(priority int) (given int, some bool) {
	given = math.MaxInt
	for _, a := range t.accounts {
		if a.key.priority == priority && a.waiting > 0 {
			given, some = min(given, a.given), true
		}
	}
	return given, some
}

// next is the index of the generation that starts next, -1 when none waits, and the debt once it has. waiting is in the order of
// arrival.
func (t *turns) next(waiting []*sequence, now time.Time) (index, debt int) {
	best, eldest := -1, -1
	for i, s := range waiting {
		if s.score != nil {
			continue
		}
		if eldest < 0 && s.overdue(now) {
			eldest = i
		}
		if best < 0 || s.before(waiting[best], now) {
			best = i
		}
	}
	switch {
	case best < 0:
		return -1, t.debt
	case eldest >= 0 && eldest != best && t.debt <= 0:
		return eldest, eldestShare * waiting[eldest].cost
	}
	return best, max(0, t.debt-waiting[best].cost)
}

// before says whether a generation starts before one that came earlier.
func (s *sequence) before(o *sequence, now time.Time) bool {
	switch a, b := s.account, o.account; {
	case a.key.priority != b.key.priority:
		return a.key.priority < b.key.priority
	case a != b && a.given != b.given:
		return a.given < b.given
	case a != b:
		return a.number < b.number
	case o.overdue(now):
		return false
	}
	if s.overdue(now) || s.cost != o.cost {
		return s.overdue(now) || s.cost < o.cost
	}
	return !s.deadline.IsZero() && (o.deadline.IsZero() || s.deadline.Before(o.deadline))
}

// overdue says whether a waiting generation has waited for longer than its patience.
func (s *sequence) overdue(now time.Time) bool {
	limit := patience
	if s.maxWait > 0 {
		limit = min(limit, s.maxWait/2)
	}
	return now.Sub(s.submitted) >= limit
}

// start charges a generation that leaves the queue to be computed with all the tokens that it may take.
func (t *turns) start(s *sequence) {
	s.account.given += s.cost
	s.charged = true
	t.leave(s)
}

// leave counts a generation that waits no more, and closes the accounts that say nothing any more: those without a generation
// waiting that have been given no more than any that has.
func (t *turns) leave(s *sequence) {
	s.account.waiting--
	priority := s.account.key.priority
	least, some := t.least(priority)
	for key, a := range t.accounts {
		if key.priority == priority && a.waiting == 0 && (!some || a.given <= least) {
			delete(t.accounts, key)
		}
	}
}

// settle gives back what a generation that has ended was charged for and did not take.
func (t *turns) settle(s *sequence) {
	if !s.charged {
		return
	}
	s.charged = false
	took := len(s.tokens)
	if s.prefilled < s.prompt {
		took = s.prefilled
	}
	s.account.given = max(s.account.floor, s.account.given-(s.cost-took))
}
