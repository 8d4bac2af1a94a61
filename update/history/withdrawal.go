package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/registry"
	"nightshift/update/selection"
	"nightshift/update/work"
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
	tracks, err := reg.Tracks()
	if err != nil {
		return nil, err
	}
	var list []Withdrawal
	var failed error
	for _, track := range tracks {
		w, _, err := Of(reg).Withdrawal(track, now)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("look for what track %s has to unlearn: %w", track, err))
		} else if w.Tainted || w.Examples > 0 {
			list = append(list, w)
		}
	}
	return list, failed
}

// Withdrawal is what is to be done for a track at a time, and the activation that would take its tainted versions out of service.
func (h History) Withdrawal(track string, at time.Time) (w Withdrawal, next registry.Activation, err error) {
	list, err := h.registry.Activations(track)
	if err != nil {
		return w, next, err
	}
	var now registry.Activation
	if len(list) > 0 {
		now = list[len(list)-1]
	}
	now.Track = track
	w = Withdrawal{Track: track, Champion: now.Champion(), Nights: []string{}}
	t := NewTaint(h.registry)
	if w.Clean, err = t.Clean(track, now.Digest); err != nil {
		return w, next, err
	}
	w.Tainted = w.Clean.Digest != now.Digest
	if candidate, canary := now.Canary(); canary {
		w.Candidate = &candidate
		tainted, err := t.Of(candidate.Digest)
		if err != nil {
			return w, next, err
		}
		w.Tainted = w.Tainted || tainted
	}
	if now.Held && w.Tainted {
		w.Held = strings.TrimSuffix(now.Actor+": "+now.Reason, ": ")
	}
	if w.Tainted {
		next = registry.Activation{Digest: w.Clean.Digest, Number: w.Clean.Number, Previous: now.Sequence, Actor: registry.Eraser, Time: at.UTC(),
			Reason: fmt.Sprintf("%s had learned from somebody who was erased", w.serving())}
		list = append(list, next)
	}
	left, err := h.withdrawn(list)
	if err != nil {
		return w, next, err
	}
	p, err := h.lookBack(track, w.Clean.Digest, left)
	if err != nil {
		return w, next, err
	}
	for _, night := range p.Withdrawn {
		items, err := h.Evidence(night)
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

// Left says when versions of a track left service because of an erasure, by digest.
func (h History) Left(track string) (map[string]time.Time, error) {
	list, err := h.registry.Activations(track)
	if err != nil {
		return nil, err
	}
	return h.withdrawn(list)
}

// withdrawn says, of a track's activations, when versions left service because of an erasure. One that has served again since, and then
// left because of something else, is not among them: what it learned is suspect.
func (h History) withdrawn(list []registry.Activation) (map[string]time.Time, error) {
	left := map[string]time.Time{}
	first := slices.IndexFunc(list, func(a registry.Activation) bool { return a.Actor == registry.Eraser })
	if first < 0 {
		return left, nil
	}
	var before registry.Activation
	if first > 0 {
		before = list[first-1]
	}
	learned, err := h.learning(before)
	if err != nil {
		return nil, err
	}
	for _, a := range list[first:] {
		if a.Digest == before.Digest && a.Candidate == before.Candidate {
			continue
		}
		now, err := h.learning(a)
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
func (h History) learning(a registry.Activation) (map[string]bool, error) {
	set, _, err := h.Ancestors(a.Digest)
	if err != nil {
		return nil, err
	}
	candidate, _, err := h.Ancestors(a.Candidate)
	for digest := range candidate {
		set[digest] = true
	}
	return set, err
}

// Restored are the examples of the champion's nights that withdrawn nights took out of the rehearsal memory, for what may have been only
// the erased person's word. They are rehearsed again, but for those that the champion's nights have taken out as well.
func (h History) Restored(p Past) ([]selection.Item, error) {
	if len(p.Unlearned) == 0 {
		return nil, nil
	}
	retired := map[string]bool{}
	for _, of := range []struct {
		nights []string
		gone   bool
	}{{p.Unlearned, true}, {p.Learned, false}} {
		for _, night := range of.nights {
			var f struct {
				Retire []string `json:"retire"`
			}
			if _, err := h.Read(night, ConfigFile, &f); err != nil {
				return nil, err
			}
			for _, id := range f.Retire {
				retired[id] = of.gone
			}
		}
	}
	var list []selection.Item
	for _, night := range p.Learned {
		items, err := h.Items(night, work.SelectionFile)
		if err != nil {
			return nil, fmt.Errorf("read selection of night %s: %w", night, err)
		}
		for _, it := range selection.Using(items, selection.New) {
			for _, id := range []string{it.ID, AdmittedID(it.ID, night)} {
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
