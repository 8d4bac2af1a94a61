package scheduler

import (
	"math"
	"time"
)

const (
	// patience is how long a generation waits before it counts as overdue; half of its MaxWait where that is less.
	patience = 2 * time.Second
	// eldestShare is how many tokens others are given for each that goes to an eldest overdue generation out of order.
	eldestShare = 3
)

// fairShare says which of the waiting generations starts next:
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
type fairShare struct {
	accounts map[accountKey]*account
	opened   int // accounts ever
	debt     int // tokens that others are given before an eldest overdue generation starts out of order again
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
	floor   int // the smallest given among the groups that were waiting when this one came: absence earns no credit
}

// enter counts a generation that begins to wait.
func (f *fairShare) enter(q *Sequence) {
	key := accountKey{q.Priority, q.Group}
	a := f.accounts[key]
	if a == nil {
		if f.accounts == nil {
			f.accounts = map[accountKey]*account{}
		}
		f.opened++
		a = &account{key: key, number: f.opened}
		f.accounts[key] = a
	}
	if a.waiting == 0 {
		if smallest, some := f.smallest(key.priority); some {
			a.floor = max(a.floor, smallest)
		}
		a.given = max(a.given, a.floor)
	}
	a.waiting++
	q.account = a
}

// smallest is the smallest given among the groups that have generations waiting at a priority, if there are any.
func (f *fairShare) smallest(priority int) (given int, some bool) {
	given = math.MaxInt
	for _, a := range f.accounts {
		if a.key.priority == priority && a.waiting > 0 {
			given, some = min(given, a.given), true
		}
	}
	return given, some
}

// next is the index of the generation that starts next, -1 when none waits, and the debt once it has. waiting is in the order of
// arrival.
func (f *fairShare) next(waiting []*Sequence, now time.Time) (index, debt int) {
	best, eldest := -1, -1
	for i, q := range waiting {
		if q.Score {
			continue
		}
		if eldest < 0 && q.overdue(now) {
			eldest = i
		}
		if best < 0 || q.before(waiting[best], now) {
			best = i
		}
	}
	switch {
	case best < 0:
		return -1, f.debt
	case eldest >= 0 && eldest != best && f.debt <= 0:
		return eldest, eldestShare * waiting[eldest].Cost
	}
	return best, max(0, f.debt-waiting[best].Cost)
}

// before says whether a generation starts before one that came earlier.
func (q *Sequence) before(o *Sequence, now time.Time) bool {
	switch a, b := q.account, o.account; {
	case a.key.priority != b.key.priority:
		return a.key.priority < b.key.priority
	case a != b && a.given != b.given:
		return a.given < b.given
	case a != b:
		return a.number < b.number
	case o.overdue(now):
		return false
	}
	if q.overdue(now) || q.Cost != o.Cost {
		return q.overdue(now) || q.Cost < o.Cost
	}
	return !q.Deadline.IsZero() && (o.Deadline.IsZero() || q.Deadline.Before(o.Deadline))
}

// overdue says whether a waiting generation has waited for longer than its patience.
func (q *Sequence) overdue(now time.Time) bool {
	limit := patience
	if q.MaxWait > 0 {
		limit = min(limit, q.MaxWait/2)
	}
	return now.Sub(q.Submitted) >= limit
}

// start charges a generation that leaves the queue to be computed with all the tokens that it may take.
func (f *fairShare) start(q *Sequence) {
	q.account.given += q.Cost
	q.charged = true
	f.leave(q)
}

// leave counts a generation that waits no more, and closes the accounts that say nothing any more: those without a generation
// waiting that have been given no more than any that has.
func (f *fairShare) leave(q *Sequence) {
	q.account.waiting--
	priority := q.account.key.priority
	smallest, some := f.smallest(priority)
	for key, a := range f.accounts {
		if key.priority == priority && a.waiting == 0 && (!some || a.given <= smallest) {
			delete(f.accounts, key)
		}
	}
}

// settle gives back what a generation that has ended with so many tokens was charged for and did not take.
func (f *fairShare) settle(q *Sequence, tokens int) {
	q.charged = false
	if q.Prefilled < q.Prompt {
		tokens = q.Prefilled
	}
	q.account.given = max(q.account.floor, q.account.given-(q.Cost-tokens))
}
