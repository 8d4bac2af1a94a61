package night

import (
	"context"
	"fmt"
	"time"

	"nightshift/replaystore"
)

// page is how many events one scan asks for.
const page = 500

// Grace is how long feedback waits for its interaction, which may lie in the journal of a server that is down. After it
// the feedback is taken without, and the selection rejects it.
const Grace = 24 * time.Hour

// skew is by how much clocks may differ before a night says so.
const skew = time.Minute

// gathered is what a track's events since the last night hold.
type gathered struct {
	events   []replaystore.Event // feedback in commit order, each after the interaction that it is about
	cursor   replaystore.Cursor  // where the next night goes on
	end      replaystore.Cursor  // after all that was read
	waiting  int                 // feedback left for it because it, or something before it, cannot be taken yet
	absent   string              // the interaction that the first of them waits for, "" where it is only too young
	usable   time.Time           // when the first of them is old enough, zero where that is not known
	beyond   []string            // keys of editors' feedback that is taken although the cursor may not pass it
	ahead    int                 // feedback with a time far after now: a server's clock is ahead
	negative map[string]bool     // interactions whose feedback says no and not what is right
}

// explain says in the night's log what is not as it should be.
func (g gathered) explain(log *nightLog) {
	if g.absent != "" {
		log.say(fmt.Sprintf("%d pieces of feedback wait: the first is about interaction %s, which is not in the store yet; it is waited for until its feedback is %s old",
			g.waiting, g.absent, Grace))
	}
	if g.ahead > 0 {
		log.say(fmt.Sprintf("%d pieces of feedback were given later than now; set the servers' clocks", g.ahead))
	}
}

// placed is feedback and its place among the events.
type placed struct {
	feedback replaystore.Feedback
	page     replaystore.Cursor // the scan that found it went on from here
	index    int                // within that scan
}

// gathering is one run of gather.
type gathering struct {
	gathered
	nights *Nights
	track  string
	now    time.Time
	minAge time.Duration
	closed bool            // the cursor has stopped; everything waits
	seen   map[string]bool // interactions that were looked for
}

// gather reads the feedback of a track after a cursor, up to the first that is younger than minAge or whose interaction is
// not there yet.
//
// Feedback with a time after now comes from a clock that is ahead. How old it is, the feedback that was stored after it
// says: it is given the time of the first whose own is not after now. Until there is one it waits, and has nothing behind
// it that it could keep waiting.
func (ns *Nights) gather(ctx context.Context, track string, after replaystore.Cursor, now time.Time, minAge time.Duration) (gathered, error) {
	g := gathering{gathered: gathered{cursor: after, end: after, negative: map[string]bool{}}, nights: ns, track: track, now: now, minAge: minAge, seen: map[string]bool{}}
	var ahead []placed // until something behind them says how old they are
	for at := after; ; {
		list, next, err := ns.deps.Store.Scan(ctx, track, at, page)
		if err != nil {
			return g.gathered, fmt.Errorf("read events of track %s: %w", track, err)
		}
		if len(list) == 0 {
			break
		}
		for i, e := range list {
			if e.Feedback == nil {
				continue
			}
			if e.Feedback.Editor {
				if err := g.edit(ctx, placed{*e.Feedback, at, i}, len(ahead) > 0); err != nil {
					return g.gathered, err
				}
				continue
			}
			ahead = append(ahead, placed{*e.Feedback, at, i})
			if e.Feedback.Time.After(now) {
				if e.Feedback.Time.Sub(now) > skew {
					g.ahead++
				}
				continue
			}
			for _, p := range ahead {
				p.feedback.Time = earlier(p.feedback.Time, e.Feedback.Time, now)
				if err := g.judge(ctx, p); err != nil {
					return g.gathered, err
				}
			}
			ahead = ahead[:0]
		}
		at, g.end = next, next
		if !g.closed && len(ahead) == 0 {
			g.cursor = next
		}
	}
	for _, p := range ahead {
		if err := g.wait(ctx, p, ""); err != nil {
			return g.gathered, err
		}
	}
	return g.gathered, nil
}

// earlier is a time that is not after now, and else the one of what follows.
func earlier(t, following, now time.Time) time.Time {
	if t.After(now) {
		return following
	}
	return t
}

// judge takes feedback, or leaves it and all that follows for a later night.
func (g *gathering) judge(ctx context.Context, p placed) error {
	if g.closed || p.feedback.Time.After(g.now.Add(-g.minAge)) {
		return g.wait(ctx, p, "")
	}
	here, err := g.find(ctx, p.feedback)
	if err != nil {
		return err
	}
	if !here {
		return g.wait(ctx, p, p.feedback.Interaction)
	}
	g.take(p.feedback)
	return nil
}

// edit takes an editor's feedback, however young it is and whatever waits before it. pending says that something before it has no age
// yet. A time after now is a clock that is ahead.
func (g *gathering) edit(ctx context.Context, p placed, pending bool) error {
	p.feedback.Time = earlier(p.feedback.Time, g.now, g.now)
	here, err := g.find(ctx, p.feedback)
	if err != nil {
		return err
	}
	if !here {
		return g.wait(ctx, p, p.feedback.Interaction)
	}
	if g.closed || pending {
		g.beyond = append(g.beyond, replaystore.Event{Feedback: &p.feedback}.Key())
	}
	g.take(p.feedback)
	return nil
}

// find takes the interaction that feedback is about, or says that it may still come.
func (g *gathering) find(ctx context.Context, f replaystore.Feedback) (here bool, err error) {
	if g.seen[f.Interaction] {
		return true, nil
	}
	in, found, err := g.nights.deps.Store.Interaction(ctx, f.Track, f.Interaction)
	switch {
	case err != nil:
		return false, fmt.Errorf("read interaction %s: %w", f.Interaction, err)
	case found:
		g.events = append(g.events, replaystore.Event{Interaction: &in})
	case f.Time.After(g.now.Add(-Grace)):
		return false, nil
	}
	g.seen[f.Interaction] = true
	return true, nil
}

// wait leaves feedback for a later night; the first stops the cursor before it.
func (g *gathering) wait(ctx context.Context, p placed, absent string) error {
	g.waiting++
	if g.closed {
		return nil
	}
	g.closed, g.absent = true, absent
	if absent == "" && !p.feedback.Time.After(g.now) {
		g.usable = p.feedback.Time.Add(g.minAge)
	}
	var err error
	g.cursor, err = g.nights.step(ctx, g.track, p.page, p.index)
	return err
}

// take adds feedback.
func (g *gathering) take(f replaystore.Feedback) {
	g.events = append(g.events, replaystore.Event{Feedback: &f})
	switch {
	case f.Correction != nil || f.Rating != nil && *f.Rating > 0:
		delete(g.negative, f.Interaction)
	case f.Rating != nil:
		g.negative[f.Interaction] = true
	}
}

// step is the cursor that lies count events after another.
func (ns *Nights) step(ctx context.Context, track string, from replaystore.Cursor, count int) (replaystore.Cursor, error) {
	for count > 0 {
		list, next, err := ns.deps.Store.Scan(ctx, track, from, count)
		if err != nil || len(list) == 0 {
			return from, err
		}
		from, count = next, count-len(list)
	}
	return from, nil
}
