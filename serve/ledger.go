package serve

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"nightshift/replaystore"
	"nightshift/serve/api"
)

// maxRemembered bounds the feedback whose content is remembered; older ids can be used again without being noticed, and
// the store then keeps what it had.
const maxRemembered = 1 << 20

// maxCounted bounds the interactions that are known to be counted: as many as arrive within a store's re-send window, at
// nearly a thousand a second.
const maxCounted = 1 << 19

// ledger counts the events of every track and remembers the content of feedback by id, so that an id that is used again
// with another content is refused, and an interaction takes no more than api.MaxFeedbackPerInteraction, and none once it was erased. It
// follows the store's own order of events.
type ledger struct {
	store replaystore.Store

	mu       sync.Mutex
	accounts map[string]*account
	content  map[fingerprint]entry // by feedback key
	order    []fingerprint         // of content, oldest first
	about    map[fingerprint]int   // items of feedback in content by interaction
	counted  window                // interactions: after a loss a store shows again what was shown before
	erased   window                // interactions that were erased with their person
}

// entry is an item of feedback in the ledger.
type entry struct {
	content, about fingerprint
	counted        bool // it was read from the store, not only reserved
}

// window is the newest members of a set. The zero value is empty.
type window struct {
	members map[fingerprint]bool
	order   []fingerprint // a ring once it is full
	next    int           // the oldest, then
}

// add reports whether a member is new, and lets the oldest go where there are more than limit.
func (w *window) add(id fingerprint, limit int) bool {
	if w.members[id] {
		return false
	}
	if w.members == nil {
		w.members = map[fingerprint]bool{}
	}
	w.members[id] = true
	if len(w.order) < limit {
		w.order = append(w.order, id)
		return true
	}
	delete(w.members, w.order[w.next])
	w.order[w.next] = id
	w.next = (w.next + 1) % limit
	return true
}

// account is a track in the ledger.
type account struct {
	cursor                 replaystore.Cursor
	interactions, feedback int64
}

// fingerprint is the beginning of a sha256.
type fingerprint [16]byte

func newLedger(store replaystore.Store) *ledger {
	return &ledger{store: store, accounts: map[string]*account{}, content: map[fingerprint]entry{}, about: map[fingerprint]int{}}
}

func fingerprintOf(parts ...string) fingerprint {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	var out fingerprint
	copy(out[:], h.Sum(nil))
	return out
}

// identity is what feedback is known by, and entryOf holds what must not differ under it: the time and the sender may.
func identity(f *replaystore.Feedback) fingerprint {
	return fingerprintOf(f.Track, f.Interaction, f.ID)
}

func entryOf(f *replaystore.Feedback) entry {
	rating, correction := "none", "none"
	if f.Rating != nil {
		rating = fmt.Sprint("rating ", *f.Rating)
	}
	if f.Correction != nil {
		correction = "correction " + *f.Correction
	}
	return entry{content: fingerprintOf(rating, correction, f.Comment, fmt.Sprint(f.Editor)), about: fingerprintOf(f.Track, f.Interaction)}
}

// begin reads the store's history once, so that later readers only catch up.
func (l *ledger) begin(ctx context.Context) {
	tracks, err := l.store.Tracks(ctx)
	if err != nil {
		return // a store that is down is caught up with later
	}
	for _, track := range tracks {
		for more := true; more && ctx.Err() == nil; {
			more, err = l.page(ctx, track)
			if err != nil {
				break
			}
		}
	}
}

// page reads the next events of a track; more is false at the end.
func (l *ledger) page(ctx context.Context, track string) (more bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[track]
	if a == nil {
		a = &account{}
		l.accounts[track] = a
	}
	events, next, err := l.store.Scan(ctx, track, a.cursor, 500)
	if err != nil {
		return false, fmt.Errorf("read the history of track %s: %w", track, err)
	}
	for _, e := range events {
		switch {
		case e.Interaction != nil:
			if l.counted.add(fingerprintOf(track, e.Interaction.ID), maxCounted) {
				a.interactions++
			}
		case e.Feedback != nil:
			id := identity(e.Feedback)
			l.remember(id, entryOf(e.Feedback))
			if known := l.content[id]; !known.counted {
				known.counted = true
				l.content[id] = known
				a.feedback++
			}
		case e.Erasure != nil:
			for _, id := range e.Erasure.Interactions {
				l.erased.add(fingerprintOf(track, id), maxCounted)
			}
		}
	}
	a.cursor = next
	return len(events) > 0, nil
}

// remember keeps a content; the first one of an id stays. l.mu is held.
func (l *ledger) remember(id fingerprint, e entry) {
	if _, known := l.content[id]; known {
		return
	}
	if len(l.order) >= maxRemembered {
		l.drop(l.order[0])
		l.order = l.order[1:]
	}
	l.content[id] = e
	l.about[e.about]++
	l.order = append(l.order, id)
}

// drop takes a content out, not its place in the order. l.mu is held.
func (l *ledger) drop(id fingerprint) {
	e := l.content[id]
	delete(l.content, id)
	if l.about[e.about]--; l.about[e.about] <= 0 {
		delete(l.about, e.about)
	}
}

// undo takes a content out that was remembered a moment ago. l.mu is held.
func (l *ledger) undo(id fingerprint) {
	l.drop(id)
	for i := len(l.order) - 1; i >= 0; i-- {
		if l.order[i] == id {
			l.order = slices.Delete(l.order, i, i+1)
			return
		}
	}
}

// catchUp reads a track to its end.
func (l *ledger) catchUp(ctx context.Context, track string) error {
	for {
		if more, err := l.page(ctx, track); err != nil || !more {
			return err
		}
	}
}

// counts returns what is known of a track.
func (l *ledger) counts(ctx context.Context, track string) (interactions, feedback int64, err error) {
	if err := l.catchUp(ctx, track); err != nil {
		return 0, 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accounts[track].interactions, l.accounts[track].feedback, nil
}

// reserve notes the content of feedback before it is written. An id that is there already with another content is refused, as
// is what an interaction has no room for, and nothing is reserved. undo takes the notes back when writing fails. While the store cannot be read, what is remembered is
// all that can be compared: feedback is taken all the same, and of an id that turns out to be used the store keeps the first.
func (l *ledger) reserve(ctx context.Context, events []replaystore.Event) (undo func(), err error) {
	done := map[string]bool{}
	stats, err := l.store.Stats(ctx)
	down := err != nil || stats.Degraded != "" // reading would only wait for what does not answer, one request after the other
	for _, e := range events {
		if track := e.Feedback.Track; !down && !done[track] {
			done[track] = true
			_ = l.catchUp(ctx, track) // /readyz tells of a store that is down
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var noted []fingerprint
	back := func() {
		for _, id := range noted {
			l.undo(id)
		}
	}
	for _, e := range events {
		id, fresh := identity(e.Feedback), entryOf(e.Feedback)
		known, ok := l.content[id]
		switch {
		case l.erased.members[fresh.about]:
			back()
			return nil, api.UnknownInteraction(e.Feedback.Interaction)
		case !ok && l.about[fresh.about] >= api.MaxFeedbackPerInteraction:
			back()
			return nil, api.TooMuchFeedback(e.Feedback.Interaction)
		case !ok:
			l.remember(id, fresh)
			noted = append(noted, id)
		case known.content != fresh.content:
			back()
			return nil, &api.FeedbackConflictError{ID: e.Feedback.ID, Interaction: e.Feedback.Interaction}
		}
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		back()
	}, nil
}
