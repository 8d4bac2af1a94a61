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
	"strings"
	"time"
	"unicode"

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

// Item is one example of a frozen selection, as it is written to the night's record.
type Item struct {
	replaystore.Example
	Use     string  `json:"use"`
	Weight  float64 `json:"weight"`            // of the loss
	Why     string  `json:"why"`               // where it comes from, for people
	Loss    float64 `json:"loss,omitempty"`    // of the champion, nats per token, where it was measured
	Fed     int     `json:"fed,omitempty"`     // while it waits: for how many like it it stands
	Repeats int     `json:"repeats,omitempty"` // the same or nearly the same examples of the same person, which are not used beside it
	// Opposed is, while it waits, how many people said otherwise in the nights that it has waited for. What they said may be
	// remembered nowhere else: of people who are held out nothing is learned.
	Opposed int `json:"opposed,omitempty"`

	// Track is whose memory the item is from, where a night makes an initial adapter of several tracks'.
	Track string `json:"track,omitempty"`

	// Served is how the answer was served that is called worse, good or bad; nil where it is only imitated.
	Served *Served `json:"served,omitempty"`
}

// Knowable says whether an item has an answer that is to be known: one that was called bad has none.
func (it Item) Knowable() bool {
	return it.Completion != "" && (it.Kind != replaystore.Unpaired || it.Good)
}

// Reason says why something is not used.
type Reason struct {
	ID    string `json:"id"`
	Of    string `json:"of,omitempty"` // what it is: "" feedback, or an older example of the "memory", "starter", "anchor" or "probe" files
	Why   string `json:"why"`
	Waits bool   `json:"waits,omitempty"` // quarantined: later nights look at it again
}

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

// evidence is an interaction with the feedback that counts.
type evidence struct {
	interaction replaystore.Interaction
	feedback    replaystore.Feedback
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

// gather ties feedback to interactions: the newest correction wins, and where there is none the newest rating.
func gather(events []replaystore.Event, s *Selection) []evidence {
	interactions := map[string]replaystore.Interaction{}
	latest := map[string]replaystore.Feedback{}
	var order []string
	for _, e := range events {
		switch {
		case e.Interaction != nil:
			interactions[e.Interaction.ID] = *e.Interaction
		case e.Feedback != nil:
			id := e.Feedback.Interaction
			before, seen := latest[id]
			if !seen {
				order = append(order, id)
			}
			if !seen || outranks(*e.Feedback, before) {
				latest[id] = *e.Feedback
			}
		}
	}
	var list []evidence
	for _, id := range order {
		in, ok := interactions[id]
		if !ok {
			s.reject(id, "its interaction is not in the store")
			continue
		}
		list = append(list, evidence{in, latest[id]})
	}
	return list
}

// outranks says whether newer feedback a replaces b. Only a correction undoes a correction: a rating that follows one may
// be of the answer or of the correction, and it cannot say that the edited text was wrong. And only an editor undoes what an editor
// has said.
func outranks(a, b replaystore.Feedback) bool {
	says := func(f replaystore.Feedback) bool { return f.Correction != nil || f.Rating != nil }
	if b.Editor != a.Editor && says(a) && says(b) {
		return a.Editor
	}
	if a.Time.Before(b.Time) {
		return false
	}
	return a.Correction != nil || a.Rating != nil && b.Correction == nil
}

// negative is why objectives without ratings do not use one.
const negative = "a rating that is not positive says what is wrong but not what is right"

// example makes an SFT example, or says why not.
func example(e evidence, opt Options, scale map[string]float64) (Item, string) {
	if len(e.interaction.Redacted) > 0 {
		return Item{}, "the interaction was redacted"
	}
	it := Item{Example: replaystore.Example{ID: e.interaction.ID, Kind: replaystore.SFT, Prompt: e.interaction.Messages, Interaction: e.interaction.ID,
		Feedback: e.feedback.ID, Subject: cmp.Or(e.interaction.Subject, e.feedback.Subject), Editor: e.feedback.Editor, Time: e.feedback.Time}}
	if e.feedback.Subject != it.Subject {
		it.Author = e.feedback.Subject
	}
	if e.interaction.SpecialPrompt {
		it.PromptTokens = e.interaction.PromptTokens
	}
	switch f := e.feedback; {
	case f.Correction != nil && len(f.Redacted) > 0:
		return Item{}, "the correction was redacted"
	case f.Correction != nil && strings.TrimSpace(*f.Correction) == "":
		return Item{}, "the correction is empty"
	case f.Correction != nil && strings.TrimSpace(*f.Correction) != strings.TrimSpace(e.interaction.Answer):
		it.Completion, it.Rejected = leading(e.interaction.Answer)+strings.TrimSpace(*f.Correction), e.interaction.Answer
		it.Weight, it.Why, it.Served = opt.Correction, "correction", served(e.interaction, opt.Objective)
	case f.Correction != nil:
		return approved(it, e.interaction, opt)
	case f.Rating != nil && rated(opt.Objective):
		return rating(it, e, opt, scale)
	case f.Rating != nil && *f.Rating <= 0:
		return Item{}, negative
	case f.Rating != nil:
		if why := unremarkable(centred(e, scale)); why != "" {
			return Item{}, why
		}
		return approved(it, e.interaction, opt)
	default:
		return Item{}, "a comment alone says nothing to learn"
	}
	if it.Weight <= 0 {
		return Item{}, "the weight of corrections is 0"
	}
	return it, ""
}

// approved makes an example of an answer as it was served. One that was cut off has no end to learn.
func approved(it Item, in replaystore.Interaction, opt Options) (Item, string) {
	switch {
	case strings.TrimSpace(in.Answer) == "":
		return Item{}, "the approved answer is empty"
	case in.Finish != "" && in.Finish != ended:
		return Item{}, "the approved answer was cut off, so it does not show where an answer ends"
	case opt.Approval <= 0:
		return Item{}, "the weight of approved answers is 0"
	}
	it.Completion, it.Weight, it.Why = in.Answer, opt.Approval, "approved answer"
	return it, ""
}

// ended is how an interaction's answer finished that came to its own end; the others met a limit, a hang-up or an error.
const ended = "stop"

// leading is the white space that a text begins with: a continued text goes on with a space, which people leave out when
// they type what it should have said.
func leading(text string) string {
	return text[:len(text)-len(strings.TrimLeftFunc(text, unicode.IsSpace))]
}

// promptText is a prompt's words in one string, roles included.
func promptText(messages []replaystore.Message) string {
	var b strings.Builder
	for _, m := range messages {
		b.WriteString(m.Role + ": " + m.Content + "\n")
	}
	return b.String()
}
