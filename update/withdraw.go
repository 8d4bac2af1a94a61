package update

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// Withdrawal is what an erasure asks of a track: to go back to the last clean version of the champion's line, and to learn again what
// others taught since.
type Withdrawal struct {
	Track      string        `json:"track"`
	Champion   registry.Ref  `json:"champion"`             // as it is or, once it is withdrawn, was
	Candidate  *registry.Ref `json:"candidate,omitempty"`  // on trial
	Clean      registry.Ref  `json:"clean"`                // the last version of the line that is not tainted
	Tainted    bool          `json:"tainted"`              // the champion or the candidate is
	Held       string        `json:"held,omitempty"`       // who holds the track and why: it stays as it is
	Activation int           `json:"activation,omitempty"` // by which it went back
	Nights     []string      `json:"nights"`               // whose examples of others the track's next night takes up again
	Examples   int           `json:"examples"`             // how many there are, held-out ones included
}

// Withdrawals lists the tracks of which a tainted version serves, and those which went back and have not learned again yet.
func Withdrawals(reg *registry.Registry, now time.Time) ([]Withdrawal, error) {
	u := &Updater{deps: Deps{Registry: reg, Now: func() time.Time { return now }}}
	tracks, err := reg.Tracks()
	if err != nil {
		return nil, err
	}
	var list []Withdrawal
	var failed error
	for _, track := range tracks {
		w, _, err := u.withdrawal(track)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("look for what track %s has to unlearn: %w", track, err))
		} else if w.Tainted || w.Examples > 0 {
			list = append(list, w)
		}
	}
	return list, failed
}

// withdrawal is what is to be done for a track, and the activation that would take its tainted versions out of service.
func (u *Updater) withdrawal(track string) (w Withdrawal, next registry.Activation, err error) {
	list, err := u.deps.Registry.Activations(track)
	if err != nil {
		return w, next, err
	}
	var now registry.Activation
	if len(list) > 0 {
		now = list[len(list)-1]
	}
	now.Track = track
	w = Withdrawal{Track: track, Champion: now.Champion(), Nights: []string{}}
	t := newTaint(u.deps.Registry)
	if w.Clean, err = t.clean(track, now.Digest); err != nil {
		return w, next, err
	}
	w.Tainted = w.Clean.Digest != now.Digest
	if candidate, canary := now.Canary(); canary {
		w.Candidate = &candidate
		tainted, err := t.of(candidate.Digest)
		if err != nil {
			return w, next, err
		}
		w.Tainted = w.Tainted || tainted
	}
	if now.Held && w.Tainted {
		w.Held = strings.TrimSuffix(now.Actor+": "+now.Reason, ": ")
	}
	if w.Tainted {
		next = registry.Activation{Digest: w.Clean.Digest, Number: w.Clean.Number, Previous: now.Sequence, Actor: registry.Eraser, Time: u.deps.Now().UTC(),
			Reason: fmt.Sprintf("somebody was forgotten from whom %s had learned", w.serving())}
		list = append(list, next)
	}
	left, err := u.withdrawn(list)
	if err != nil {
		return w, next, err
	}
	p, err := u.lookBack(track, w.Clean.Digest, left)
	if err != nil {
		return w, next, err
	}
	for _, night := range p.withdrawn {
		items, err := u.evidence(night)
		if err != nil {
			return w, next, err
		}
		w.Nights, w.Examples = append(w.Nights, night), w.Examples+len(items)
	}
	return w, next, nil
}

// serving names what serves the track.
func (w Withdrawal) serving() string {
	if w.Candidate == nil {
		return w.Champion.String()
	}
	return fmt.Sprintf("%s or %s, which is on trial,", w.Champion, w.Candidate)
}

// Withdraw makes the last clean version of a track's line its champion, where a tainted version serves and nobody holds the track. That is
// one activation: what else follows, the track's next night finds by it. A night that runs meanwhile is not waited for; it rests on what
// is not in force any more and will not be published.
func (u *Updater) Withdraw(ctx context.Context, track string) (Withdrawal, error) {
	for {
		w, next, err := u.withdrawal(track)
		if err != nil || !w.Tainted || w.Held != "" {
			return w, err
		}
		a, err := u.deps.Registry.Activate(ctx, track, next)
		if ctx.Err() == nil && (errors.Is(err, registry.ErrConflict) || errors.Is(err, registry.ErrHeld)) {
			continue // the track has moved on
		}
		if err != nil {
			return w, fmt.Errorf("withdraw %s: %w", w.Champion, err)
		}
		w.Activation = a.Sequence
		u.at("withdrawn")
		if _, err := replaystore.Send(ctx, u.deps.Store.Control(), replaystore.ActivationHint{Track: track, Number: a.Sequence}); err != nil {
			u.deps.Log.Warn("an activation cannot be announced; servers will see it when they look", "track", track, "error", err)
		}
		return w, nil
	}
}

// withdrawn says, of a track's activations, when versions left service because of an erasure. One that has served again since, and then
// left because of something else, is not among them: what it learned is suspect.
func (u *Updater) withdrawn(list []registry.Activation) (map[string]time.Time, error) {
	left := map[string]time.Time{}
	first := slices.IndexFunc(list, func(a registry.Activation) bool { return a.Actor == registry.Eraser })
	if first < 0 {
		return left, nil
	}
	var before registry.Activation
	if first > 0 {
		before = list[first-1]
	}
	learned, err := u.learning(before)
	if err != nil {
		return nil, err
	}
	for _, a := range list[first:] {
		if a.Digest == before.Digest && a.Candidate == before.Candidate {
			continue
		}
		now, err := u.learning(a)
		if err != nil {
			return nil, err
		}
		for digest := range learned {
			switch {
			case now[digest]:
			case a.Actor == registry.Eraser:
				left[digest] = a.Time
			default:
				delete(left, digest)
			}
		}
		before, learned = a, now
	}
	return left, nil
}

// learning is the set of the versions whose learning serves under an activation.
func (u *Updater) learning(a registry.Activation) (map[string]bool, error) {
	set, _, err := u.ancestors(a.Digest)
	if err != nil {
		return nil, err
	}
	candidate, _, err := u.ancestors(a.Candidate)
	for digest := range candidate {
		set[digest] = true
	}
	return set, err
}

// restored are the examples of the champion's nights that withdrawn nights took out of the rehearsal memory, for what may have been only
// the forgotten person's word. They are rehearsed again, but for those that the champion's nights have taken out as well.
func (u *Updater) restored(p past) ([]selection.Item, error) {
	if len(p.unlearned) == 0 {
		return nil, nil
	}
	retired := map[string]bool{}
	for _, of := range []struct {
		nights []string
		gone   bool
	}{{p.unlearned, true}, {p.learned, false}} {
		for _, night := range of.nights {
			var f frozen
			if _, err := u.readJSON(night, configFile, &f); err != nil {
				return nil, err
			}
			for _, id := range f.Retire {
				retired[id] = of.gone
			}
		}
	}
	var list []selection.Item
	for _, night := range p.learned {
		items, err := u.nightItems(night, selectionFile)
		if err != nil {
			return nil, fmt.Errorf("read selection of night %s: %w", night, err)
		}
		for _, it := range use(items, selection.New) {
			for _, id := range []string{it.ID, admittedID(it.ID, night)} {
				if !retired[id] {
					continue
				}
				it.ID, it.Use, it.Weight, it.Why = id, selection.Rehearsal, 1, "learned by night "+night
				list = append(list, selection.Plain(it))
				break
			}
		}
	}
	return list, nil
}
