package history

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Past is what earlier nights of a track left behind.
type Past struct {
	Cursor  replaystore.Cursor // how far the track's events are used up
	Retired map[string]bool    // examples of files that the champion's ancestors' corrections contradict
	Suspect map[string]bool    // examples that only versions learned which no longer serve
	Learned []string           // nights that made the champion and its ancestors
	Newest  string             // the night that used up evidence last, "" for none
	Refused string             // the same, if its candidate was rejected and nothing takes up what it selected
	// Reviewed are nights that were rejected or rolled back and that a person vouches for, Withdrawn those whose versions left service
	// because of an erasure, and Again is what both selected.
	Reviewed  []string
	Withdrawn []string
	Again     []selection.Item
	Unlearned []string // like Withdrawn, but those too that a later night has taken up again
	// Edited are nights that were rejected for what others than editors said: what the editors said comes back.
	Edited      []string
	Used        map[string]bool // keys of editors' feedback after the cursor that the newest night used
	ByQuestions bool            // one of the learned nights held out by questions
}

// Taken says which earlier nights' evidence a night takes up.
func (p Past) Taken() []string { return slices.Concat(p.Reviewed, p.Withdrawn, p.Edited) }

// Past is what the earlier nights of a track left behind, whose champion now is the version with the digest.
func (h History) Past(track, champion string) (Past, error) {
	left, err := h.Left(track)
	if err != nil {
		return Past{}, err
	}
	return h.lookBack(track, champion, left)
}

// night is a night that used up evidence, and what became of what it selected.
type night struct {
	Completion
	taken time.Time // when another night last took up again what it selected; zero for never
	kept  bool      // the champion has learned from it by way of a night that took it up again
}

// lookBack is Past where it is known when versions left service because of an erasure.
func (h History) lookBack(track, champion string, left map[string]time.Time) (Past, error) {
	p := Past{Retired: map[string]bool{}, Suspect: map[string]bool{}}
	ancestors, lineage, err := h.Ancestors(champion)
	if err != nil {
		return p, err
	}
	nights, err := h.completed(track, &p)
	if err != nil {
		return p, err
	}
	for _, id := range slices.Sorted(maps.Keys(nights)) {
		n := nights[id]
		for _, other := range n.Reviewed {
			if o := nights[other]; o != nil {
				o.taken = later(o.taken, n.Completed)
				o.kept = o.kept || n.Published && ancestors[n.Digest]
			}
		}
		if ancestors[n.Digest] && n.Published {
			p.Learned = append(p.Learned, id)
			p.ByQuestions = p.ByQuestions || n.HeldOutBy == selection.ByQuestions
		}
	}
	maps.DeleteFunc(nights, func(_ string, n *night) bool { return ancestors[n.Digest] }) // what is left serves no more, or never did
	if err := h.sort(&p, nights, left); err != nil {
		return p, err
	}
	waiting, err := h.Quarantined(p.Newest)
	if err != nil {
		return p, err
	}
	p.Again = append(p.Again, waiting...)
	for _, id := range lineage {
		var r Retired
		if _, err := h.Read(id, RetiredFile, &r); err != nil {
			return p, err
		}
		for _, id := range r.IDs {
			p.Retired[id] = true
		}
	}
	return p, nil
}

// completed reads the nights of a track that used up evidence, by id, and notes in p how far the newest came.
func (h History) completed(track string, p *Past) (map[string]*night, error) {
	ids, err := h.registry.ListNights()
	if err != nil {
		return nil, err
	}
	nights := map[string]*night{}
	for _, id := range ids {
		var done Completion
		found, err := h.Read(id, CursorFile, &done)
		if err != nil {
			return nil, err
		}
		if !found || done.Track != track {
			continue
		}
		nights[id] = &night{Completion: done}
		if p.Newest != "" && !done.Completed.After(nights[p.Newest].Completed) {
			continue
		}
		p.Cursor, p.Newest, p.Used = done.Cursor, id, map[string]bool{}
		for _, key := range done.Beyond {
			p.Used[key] = true
		}
	}
	return nights, nil
}

// later is the later one of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// sort puts what dropped nights selected among what comes back, or among what is suspect.
func (h History) sort(p *Past, dropped map[string]*night, left map[string]time.Time) error {
	for _, id := range slices.Sorted(maps.Keys(dropped)) {
		n := dropped[id]
		vouched, err := h.reviewed(id, n.taken)
		if err != nil {
			return err
		}
		erased, unlearned := left[n.Digest]
		if unlearned {
			p.Unlearned = append(p.Unlearned, id)
		}
		switch {
		case erased.After(n.taken):
			p.Withdrawn = append(p.Withdrawn, id)
		case vouched:
			p.Reviewed = append(p.Reviewed, id)
		case !n.Published && n.Editors == EditorsAlso && n.taken.IsZero():
			p.Edited = append(p.Edited, id)
		case !n.Published && id == p.Newest:
			p.Refused = id
		case n.Published && !n.kept:
			if err := h.suspects(id, p.Suspect); err != nil {
				return err
			}
		}
	}
	for _, id := range p.Taken() {
		items, err := h.Evidence(id)
		if err != nil {
			return err
		}
		if slices.Contains(p.Edited, id) {
			_, items = selection.Parted(items)
		}
		p.Again = append(p.Again, items...)
	}
	return nil
}

// suspects collects what a night newly learned.
func (h History) suspects(night string, into map[string]bool) error {
	items, err := h.Items(night, work.SelectionFile)
	if err != nil {
		return fmt.Errorf("read selection of night %s: %w", night, err)
	}
	for _, it := range selection.Using(items, selection.New) {
		into[it.ID] = true
		into[AdmittedID(it.ID, night)] = true
	}
	return nil
}

// AdmittedID is the id under which an example enters the memory when its own is taken.
func AdmittedID(id, night string) string { return id + "." + night }
