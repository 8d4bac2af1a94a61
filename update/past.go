package update

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// Names of the files of a night that the updater writes beside those of its work.
const (
	configFile    = "config.json"    // frozen: what was decided on, and the settings
	cursorFile    = "cursor.json"    // completion: written last, once the night's evidence is used up
	retiredFile   = "retired.json"   // frozen: what this version's examples from files no longer hold
	reproduceFile = "reproduce.json" // what a replay needs to be the same
	verdictFile   = "verdict.json"
)

// completion says that a night has used up its track's events up to a cursor. It is written once.
type completion struct {
	Track     string             `json:"track"`
	Cursor    replaystore.Cursor `json:"cursor"`
	Completed time.Time          `json:"completed"`
	Digest    string             `json:"digest"`             // of the candidate
	Published bool               `json:"published"`          // it was activated
	Reviewed  []string           `json:"reviewed,omitempty"` // earlier nights whose evidence it took up again
	Editors   string             `json:"editors,omitempty"`  // whether editors were behind it: alone, with others, or ""
	Beyond    []string           `json:"beyond,omitempty"`   // keys of editors' feedback after the cursor that it used
	HeldOutBy string             `json:"held_out_by,omitempty"`
}

// Values of completion.Editors.
const (
	editorsAlone = "alone"
	editorsAlso  = "also"
)

// retired lists examples of the model's own files (starter memory, anchors) that corrections up to a version contradict.
type retired struct {
	IDs []string `json:"ids"`
}

// readJSON reads a night's file; one that is missing is not found.
func (u *Updater) readJSON(night, name string, into any) (found bool, err error) {
	data, err := u.deps.Registry.ReadNight(night, name)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, fmt.Errorf("read %s of night %s: %w", name, night, err)
	}
	return true, nil
}

// writeJSON writes a night's file whole.
func (u *Updater) writeJSON(night, name string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("write %s of night %s: %w", name, night, err)
	}
	return u.deps.Registry.WriteNightFile(night, name, append(data, '\n'))
}

// record reads a night's record.
func (u *Updater) record(night string) (nightrecord.Night, bool, error) {
	var n nightrecord.Night
	found, err := u.readJSON(night, nightrecord.File, &n)
	return n, found, err
}

// past is what earlier nights of a track left behind.
type past struct {
	cursor  replaystore.Cursor
	retired map[string]bool // examples of files that the champion's ancestors' corrections contradict
	suspect map[string]bool // examples that only versions learned which no longer serve
	learned []string        // nights that made the champion and its ancestors
	newest  string          // the night that used up evidence last, "" for none
	refused string          // the same, if its candidate was rejected and nothing takes up what it selected
	// reviewed are nights that were rejected or rolled back and that a person vouches for, withdrawn those whose versions left service
	// because of an erasure, and again is what both selected.
	reviewed  []string
	withdrawn []string
	again     []selection.Item
	unlearned []string // like withdrawn, but those too that a later night has taken up again
	// edited are nights that were rejected for what others than editors said: what the editors said comes back.
	edited      []string
	used        map[string]bool // keys of editors' feedback after the cursor that the newest night used
	byQuestions bool            // one of the learned nights held out by questions
}

// taken says which earlier nights' evidence a night takes up.
func (p past) taken() []string { return slices.Concat(p.reviewed, p.withdrawn, p.edited) }

// lookBack reads the earlier nights of a track, whose champion now is the version with the digest. left says when versions left service
// because of an erasure.
func (u *Updater) lookBack(track, champion string, left map[string]time.Time) (past, error) {
	p := past{retired: map[string]bool{}, suspect: map[string]bool{}}
	nights, err := u.deps.Registry.ListNights()
	if err != nil {
		return p, err
	}
	ancestors, lineage, err := u.ancestors(champion)
	if err != nil {
		return p, err
	}
	var newest time.Time
	dropped := map[string]completion{} // nights whose candidates serve no more, or never did
	taken := map[string]time.Time{}    // when a night was last taken up again
	kept := map[string]bool{}          // nights that the champion has learned from by way of one that took them up again
	for _, id := range nights {
		var done completion
		found, err := u.readJSON(id, cursorFile, &done)
		if err != nil {
			return p, err
		}
		if !found || done.Track != track {
			continue
		}
		if done.Completed.After(newest) {
			newest, p.cursor, p.newest, p.used = done.Completed, done.Cursor, id, map[string]bool{}
			for _, key := range done.Beyond {
				p.used[key] = true
			}
		}
		for _, other := range done.Reviewed {
			if done.Completed.After(taken[other]) {
				taken[other] = done.Completed
			}
			kept[other] = kept[other] || done.Published && ancestors[done.Digest]
		}
		if !ancestors[done.Digest] {
			dropped[id] = done
		} else if done.Published {
			p.learned = append(p.learned, id)
			p.byQuestions = p.byQuestions || done.HeldOutBy == selection.ByQuestions
		}
	}
	if err := u.sort(&p, dropped, taken, kept, left); err != nil {
		return p, err
	}
	waiting, err := u.quarantined(p.newest)
	if err != nil {
		return p, err
	}
	p.again = append(p.again, waiting...)
	for _, night := range lineage {
		var r retired
		if _, err := u.readJSON(night, retiredFile, &r); err != nil {
			return p, err
		}
		for _, id := range r.IDs {
			p.retired[id] = true
		}
	}
	return p, nil
}

// sort puts what dropped nights selected among what comes back, or among what is suspect.
func (u *Updater) sort(p *past, dropped map[string]completion, taken map[string]time.Time, kept map[string]bool, left map[string]time.Time) error {
	for _, id := range slices.Sorted(maps.Keys(dropped)) {
		vouched, err := u.reviewed(id, taken[id])
		if err != nil {
			return err
		}
		erased, unlearned := left[dropped[id].Digest]
		if unlearned {
			p.unlearned = append(p.unlearned, id)
		}
		switch {
		case erased.After(taken[id]):
			p.withdrawn = append(p.withdrawn, id)
		case vouched:
			p.reviewed = append(p.reviewed, id)
		case !dropped[id].Published && dropped[id].Editors == editorsAlso && taken[id].IsZero():
			p.edited = append(p.edited, id)
		case !dropped[id].Published && id == p.newest:
			p.refused = id
		case dropped[id].Published && !kept[id]:
			if err := u.suspects(id, p.suspect); err != nil {
				return err
			}
		}
	}
	for _, id := range slices.Concat(p.reviewed, p.withdrawn) {
		items, err := u.evidence(id)
		if err != nil {
			return err
		}
		p.again = append(p.again, items...)
	}
	for _, id := range p.edited {
		items, err := u.evidence(id)
		if err != nil {
			return err
		}
		_, editors := parted(items)
		p.again = append(p.again, editors...)
	}
	return nil
}

// ancestors is the set of a version and the versions whose learning it has, and the nights that came last: of a version that was
// merged, one for each of its parts.
func (u *Updater) ancestors(digest string) (set map[string]bool, nights []string, err error) {
	type branch struct {
		digest string
		open   bool // no night was on the way yet
	}
	set = map[string]bool{"": true}
	for todo := []branch{{digest, true}}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		if set[at.digest] {
			continue
		}
		set[at.digest] = true
		m, err := u.deps.Registry.Version(at.digest)
		if errors.Is(err, registry.ErrNotFound) && at.digest != digest {
			continue
		}
		if err != nil {
			return set, nights, err
		}
		if at.open && m.Night != "" {
			nights, at.open = append(nights, m.Night), false
		}
		for _, origin := range m.Origins() {
			todo = append(todo, branch{origin, at.open})
		}
	}
	return set, nights, nil
}

// suspects collects what a night newly learned.
func (u *Updater) suspects(night string, into map[string]bool) error {
	data, err := u.deps.Registry.ReadNight(night, selectionFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	items, err := decodeItems(data)
	if err != nil {
		return fmt.Errorf("read selection of night %s: %w", night, err)
	}
	for _, it := range items {
		if it.Use == selection.New {
			into[it.ID] = true
			into[admittedID(it.ID, night)] = true
		}
	}
	return nil
}

// clearUp finishes or fails the nights that a killed updater left unfinished. It is called under the lock: no night runs. A
// night that cannot be cleared up stops its own track, whose next night would use its evidence again, and no other.
func (u *Updater) clearUp(ctx context.Context, track string) error {
	nights, err := u.deps.Registry.ListNights()
	if err != nil {
		return err
	}
	for _, id := range nights {
		n, found, err := u.record(id)
		if err != nil {
			u.deps.Log.Warn("the record of a night cannot be read", "night", id, "error", err)
			continue
		}
		if !found || n.State.Final() || n.State == nightrecord.Queued {
			continue
		}
		if err := u.clearUpNight(ctx, n); err != nil {
			if n.Track == track || ctx.Err() != nil {
				return fmt.Errorf("clear up night %s: %w", id, err)
			}
			u.deps.Log.Error("an interrupted night cannot be cleared up; its track learns nothing until it is", "night", id, "track", n.Track, "error", err)
		}
	}
	return nil
}

// clearUpNight ends one unfinished night: as published when its activation was written, else as failed.
func (u *Updater) clearUpNight(ctx context.Context, record nightrecord.Night) error {
	n := u.night(Request{Night: record.ID, Track: record.Track, By: record.By, DryRun: record.DryRun})
	n.log.night = record
	activation, found, err := u.activated(record.Track, record.ID)
	if err != nil {
		return err
	}
	if !found {
		u.deps.Log.Warn("a night was interrupted", "night", record.ID, "track", record.Track, "state", record.State)
		return n.log.end(ctx, nightrecord.Failed, "interrupted: the updater was stopped while the night was "+string(record.State)+"; nothing was changed")
	}
	items, err := n.thaw()
	if err != nil {
		return err
	}
	return n.settle(ctx, items, activation)
}

// activated finds the activation that a night led to.
func (u *Updater) activated(track, night string) (registry.Activation, bool, error) {
	list, err := u.deps.Registry.Activations(track)
	for _, a := range list {
		if a.Night == night && !registry.Human(a.Actor) {
			return a, true, nil
		}
	}
	return registry.Activation{}, false, err
}
