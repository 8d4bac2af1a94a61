// Package selection turns a track's history into what a night learns from: interactions with their feedback become
// examples, some people's are held out, and what newer evidence contradicts is retired.
//
// Invariants. The same events and options give the same selection. A thumbs-down answer is never imitated. Whoever is
// held out is held out by a keyed hash, so nobody can choose it: as a person, or, where there are too few people, with what they say of a
// question. Every interaction with feedback that is
// not used has a reason. What one person says many times counts once, and what only one person says many times waits until
// others say it. An editor's word waits for nobody, is never held out, and is not overruled by what others said before it was learned.
//
// It reads no store, tokenizes nothing and runs no model: what a model says about examples is handed in.
package selection

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
)

// Uses of an item.
const (
	New       = nightrecord.New // trained on for the first time
	Rehearsal = "rehearsal"     // replayed while learning
	HeldOut   = "heldout"       // measures the gain, never trained on
	Probe     = "probe"         // measures what is forgotten of earlier nights, never trained on
	Anchor    = "anchor"        // measures what is forgotten, never trained on
)

// Options of a selection.
type Options struct {
	Now         time.Time
	MinAge      time.Duration   // younger feedback waits
	HeldOut     float64         // share of people whose feedback measures and is not learned
	HeldOutKey  []byte          // of the keyed hash that chooses them
	Measured    int             // corrections that must be held out for a gain to show: where people leave fewer, others are held out by question
	Trained     map[string]bool // people who were learned from: they are not held out as people
	Probed      []Item          // what earlier nights held out: nobody is trained on a question by which they have measured
	Used        map[string]bool // feedback, by the Key of its event, that an earlier night has used
	MaxExamples int             // of one night, the newest; 0 for no bound
	PerSubject  int             // examples of one person, 0 for no cap
	Correction  float64         // weight of a correction, 0 to learn from none
	Approval    float64         // weight of an approved answer, 0 to learn from none
	Again       []Item          // of earlier nights, to be chosen from once more; what the events say of the same interactions goes first
	Known       []Item          // learned before, or the model's own: they confirm what is new

	Objective string       // what is learned from, "" SFT
	Near      float64      // Jaccard index from which one person's examples are near duplicates, 0 for exact ones alone
	Confirm   Confirmation // what waits for others
	Outliers  Outliers     // what waits because the model finds it strange
}

// Selection is what one night works with, before rehearsal and anchors are added.
type Selection struct {
	Items       []Item   // New and HeldOut, oldest evidence first
	HeldOutBy   string   // ByPeople or ByQuestions
	Quarantined []Item   // not used yet: to be handed in as Again by later nights
	Rejected    []Reason // feedback that is not used, what is quarantined included
	Waiting     int      // feedback that is too young
}

// Candidates are what a night could learn, after everything that needs no model.
type Candidates struct {
	Items []Item // in the order of time

	selection Selection // what is not among them, and why
	options   Options
	versions  map[string]string // that answered, by interaction
}

// CandidatesOf takes from events in commit order what could be learned.
func CandidatesOf(events []replaystore.Event, opt Options) Candidates {
	var s Selection
	list := gather(events, &s)
	scale := scales(list)
	var items []Item
	edited := editedBefore(opt.Known)
	for _, e := range list {
		switch f := e.feedback; {
		case opt.Used[replaystore.Event{Feedback: &f}.Key()]:
			s.reject(e.interaction.ID, "an earlier night has used it")
			continue
		case f.Editor:
		case edited[e.interaction.ID]:
			s.reject(e.interaction.ID, "an editor has said what is right")
			continue
		case opt.Now.Sub(f.Time) < opt.MinAge:
			s.Waiting++
			continue
		}
		it, why := example(e, opt, scale)
		if why != "" {
			s.reject(e.interaction.ID, why)
			continue
		}
		items = append(items, it)
	}
	items = append(items, s.again(opt, list)...)
	slices.SortStableFunc(items, func(a, b Item) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	waits := confirm(items, opt.Known, opt.Confirm, opt.Near)
	unconfirmed := map[string]string{}
	for i, w := range waits {
		if items[i].Editor {
			continue
		}
		unconfirmed[items[i].ID], items[i].Fed, items[i].Opposed = w.why, w.fed, w.opposed
	}
	items = s.dedupe(items)
	items = s.dedupeNear(items, opt.Near)
	items = s.cap(items, opt.PerSubject)
	items = s.quarantine(items, func(i int) string { return unconfirmed[items[i].ID] }, opt)
	return Candidates{Items: s.bound(items, opt.MaxExamples), selection: s, options: opt, versions: versionsOf(list)}
}

// Select is what a night learns and holds out of the candidates. measures are what a model says of each of them, in their order; nil where it was
// not asked, and then none is an outlier.
func (c Candidates) Select(measures []Measure) (Selection, error) {
	s, items := c.selection, c.Items
	if measures != nil {
		if len(measures) != len(items) {
			return s, fmt.Errorf("select from %d candidates: there are %d measures", len(items), len(measures))
		}
		strange := c.options.Outliers.find(items, measures, c.options)
		items = s.quarantine(items, func(i int) string { return strange[i] }, c.options)
	}
	kept, retired := overrule(items, c.versions)
	for _, r := range retired {
		s.reject(r.ID, r.Why)
	}
	s.split(kept, c.options)
	return s, nil
}

// versionsOf names by interaction the version that answered.
func versionsOf(list []evidence) map[string]string {
	versions := map[string]string{}
	for _, e := range list {
		versions[e.interaction.ID] = e.interaction.Version
	}
	return versions
}

// editedBefore are the interactions whose answers editors have corrected in earlier nights.
func editedBefore(known []Item) map[string]bool {
	set := map[string]bool{}
	for _, it := range known {
		if it.Editor {
			set[it.Interaction] = true
		}
	}
	return set
}

// quarantine puts aside the items for which there is a reason. Those that have waited long enough are rejected.
func (s *Selection) quarantine(items []Item, reason func(i int) string, opt Options) []Item {
	var kept []Item
	for i, it := range items {
		switch why := reason(i); {
		case why == "" || it.Editor:
			kept = append(kept, it)
		case opt.Confirm.Within > 0 && opt.Now.Sub(it.Time) > opt.Confirm.Within:
			s.reject(it.ID, why+"; it has waited for too long")
		default:
			s.Quarantined = append(s.Quarantined, it)
			s.Rejected = append(s.Rejected, Reason{ID: it.ID, Why: why, Waits: true})
		}
	}
	return kept
}

// again is those of earlier items about whose interactions the evidence says nothing, each interaction's newest. The objective
// may be another one than theirs was.
func (s *Selection) again(opt Options, list []evidence) []Item {
	newest := map[string]Item{}
	for _, it := range opt.Again {
		it = Plain(it)
		if before, ok := newest[it.Interaction]; !ok || it.Time.After(before.Time) {
			newest[it.Interaction] = it
		}
	}
	for _, e := range list {
		delete(newest, e.interaction.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(newest)) {
		it := newest[id]
		if it.Kind != replaystore.Unpaired || rated(opt.Objective) {
			continue
		}
		if bad(it) {
			s.reject(it.ID, negative)
			delete(newest, id)
			continue
		}
		it.Kind, it.Good = replaystore.SFT, false
		newest[id] = it
	}
	return slices.Collect(maps.Values(newest)) // the caller sorts
}

// reject notes why something is not used.
func (s *Selection) reject(id, why string) { s.Rejected = append(s.Rejected, Reason{ID: id, Why: why}) }
