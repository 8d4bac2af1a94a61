package night

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/anchors"
	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/selection"
)

// Files of what the base model must not forget.
const (
	starterFile = anchors.RehearsalFile
	anchorFile  = anchors.AnchorsFile
)

// chosen is what a night works with, and what it says about older examples.
type chosen struct {
	items       []selection.Item // new, held out, rehearsal, anchors
	probes      []selection.Item
	quarantined []selection.Item
	retire      []string           // of the rehearsal memory
	outdated    []string           // of the model's files
	reasons     []selection.Reason // why something is not used
	needs       []nightrecord.Need // of what others than editors say
	aside       int                // of the quarantined: what is not enough yet, of others than editors
	counts      nightrecord.Selected
}

// choose selects from what was gathered, and picks what to rehearse and to measure beside it. It writes nothing.
func (n *night) choose(ctx context.Context, g gathered, p history.Past, key []byte) (chosen, error) {
	var c chosen
	memory, err := n.nights.deps.Store.Rehearsal(ctx, n.req.Track)
	if err != nil {
		return c, fmt.Errorf("read rehearsal memory of track %s: %w", n.req.Track, err)
	}
	starter, measuring, err := n.files()
	if err != nil {
		return c, err
	}
	restored, err := n.nights.history.Restored(p)
	if err != nil {
		return c, err
	}
	carried, err := n.nights.history.Probes(n.frozen.Champion.Digest)
	if err != nil {
		return c, fmt.Errorf("read probes of earlier nights: %w", err)
	}
	s := n.settings
	known := append(recalled(memory, p.Suspect, s.Train.Teacher == teacherStored), restored...)
	rehearsable := append(slices.Clone(known), starter...)
	opt := n.options(p, rehearsable, carried, key)
	if opt.Trained, err = n.trained(memory, p); err != nil {
		return c, err
	}
	candidates := selection.CandidatesOf(g.events, opt)
	measured, m, err := n.measured(ctx, candidates.Items, rehearsable)
	if err != nil {
		return c, fmt.Errorf("measure %d examples: %w", len(candidates.Items), err)
	}
	selected, err := candidates.Select(measured)
	if err != nil {
		return c, err
	}
	c.needs = needs(selected.Items, n.limits())
	c.putAside(&selected)
	c.reasons, c.quarantined = append(c.reasons, selected.Rejected...), selected.Quarantined
	fresh := map[string]bool{}
	for _, it := range selected.Items {
		fresh[it.Interaction] = true
	}
	remembered := c.remember(known, selected.Items, fresh, g.negative)
	newer := append(slices.Clone(selected.Items), remembered...)
	starter, measuring = c.current("starter", starter, newer, p.Retired), c.current("anchor", measuring, newer, p.Retired)
	if c.probes, err = n.probes(&c, carried, selected.Items, newer, p.Retired); err != nil {
		return c, err
	}
	slices.Sort(c.outdated)
	c.outdated = slices.Compact(c.outdated)

	c.items = selection.Shape(append(selection.Using(selected.Items, selection.New), selection.Using(selected.Items, selection.HeldOut)...), s.Train.Objective)
	pick := s.Train.rehearse(m)
	c.items = append(c.items, rehearsal(selection.CapSubjects(remembered, s.Memory.PerSubject, pick), starter, n.nights.cfg.sizes.rehearsal, pick)...)
	c.items = append(c.items, selection.RandomSample(measuring, anchorLimit)...)
	c.count(selected, g)
	return c, nil
}

// options are those of the night's selection, but for what is read from elsewhere.
func (n *night) options(p history.Past, known, probed []selection.Item, key []byte) selection.Options {
	e, t := n.settings.Evidence, n.settings.Train
	return selection.Options{Now: n.frozen.Time, MinAge: e.MinAge, HeldOut: e.HeldOut, HeldOutKey: windowKey(key, n.frozen.Time, e.Rotation), Measured: n.limits().HeldOut(),
		Probed: probed, Used: p.Used, MaxExamples: e.MaxExamples, PerSubject: e.PerSubject, Correction: t.CorrectionWeight, Approval: t.ApprovalWeight, Again: p.Again, Known: known,
		Objective: t.Objective, Near: e.NearDuplicates, Confirm: e.confirmation(), Outliers: selection.Outliers{Loss: e.OutlierLoss, Gradient: e.OutlierGradient}}
}

// putAside leaves what others than editors say for a later night where it is not enough for one, and there is something that an editor
// says: that needs nothing else, and nothing else may ride along with it.
func (c *chosen) putAside(s *selection.Selection) {
	others, editors := selection.Parted(s.Items)
	missing := unmet(c.needs)
	if len(missing) == 0 || corrections(editors, selection.New) == 0 {
		return
	}
	for _, it := range others {
		it.Fed = max(1, it.Fed) // what others said against it was counted this time
		s.Quarantined = append(s.Quarantined, it)
		c.reasons = append(c.reasons, selection.Reason{ID: it.ID, Why: "what others than editors say is not enough for a night yet: " + strings.Join(missing, ", "), Waits: true})
	}
	s.Items, c.aside = editors, len(others)
}

// setAside writes down what the night does not use, and why.
func (n *night) setAside(c chosen) error {
	data, err := selection.EncodeItems(c.quarantined)
	if err != nil {
		return err
	}
	return errors.Join(n.nights.deps.Registry.WriteNightFile(n.req.Night, history.QuarantineFile, data), n.nights.history.Write(n.req.Night, history.ReasonsFile, c.reasons))
}

// files reads what the base model must not forget: examples to rehearse, and examples that measure it. None is both.
func (n *night) files() (starter, measured []selection.Item, err error) {
	place := n.nights.cfg.Place
	if starter, err = readExamples(place.File(starterFile), selection.Rehearsal); err != nil {
		return nil, nil, err
	}
	path := n.settings.Anchors
	if path == "" {
		path = place.File(anchorFile)
	}
	if measured, err = readExamples(path, selection.Anchor); err != nil {
		return nil, nil, err
	}
	return without(starter, measured), measured, nil
}

// trainedSubjects are the people whose examples are in the memory.
func trainedSubjects(memory replaystore.Rehearsal) map[string]bool {
	set := map[string]bool{}
	for _, m := range memory.Items() {
		set[m.Subject] = true
	}
	return set
}

// recalled is what the memory holds that can be rehearsed, as examples to imitate, with their stored teachers where these are asked for. What
// is suspect stays where it is.
func recalled(memory replaystore.Rehearsal, suspect map[string]bool, teachers bool) []selection.Item {
	var items []selection.Item
	for _, m := range memory.Items() {
		if !teachers {
			m.Teacher = nil
		}
		if m.Kind != replaystore.Unpaired && !suspect[m.ID] {
			items = append(items, selection.Plain(selection.Item{Example: m.Example, Use: selection.Rehearsal, Weight: 1, Why: "rehearsal memory"}))
		}
	}
	return items
}

// remember takes of what is recalled what still holds true.
func (c *chosen) remember(recalled, newer []selection.Item, fresh, negative map[string]bool) []selection.Item {
	var items []selection.Item
	for _, it := range recalled {
		if fresh[it.Interaction] || negative[it.Interaction] && it.Rejected == "" { // a bad rating of an answer is none of its correction
			c.retired("memory", selection.Reason{ID: it.ID, Why: "there is newer feedback on the same answer"})
			continue
		}
		items = append(items, it)
	}
	kept, gone := selection.Supersede(items, append(slices.Clone(newer), items...))
	for _, r := range gone {
		c.retired("memory", r)
	}
	return kept
}

// retired notes that an older example does not hold any more.
func (c *chosen) retired(of string, r selection.Reason) {
	r.Of = of
	c.reasons = append(c.reasons, r)
	if of == "memory" {
		c.retire = append(c.retire, r.ID)
	} else {
		c.outdated = append(c.outdated, r.ID)
	}
}

// without leaves out of the starter memory what is measured: an anchor is never trained on, whatever the files say.
func without(starter, measured []selection.Item) []selection.Item {
	ids := map[string]bool{}
	for _, it := range measured {
		ids[it.ID] = true
	}
	return slices.DeleteFunc(starter, func(it selection.Item) bool { return ids[it.ID] })
}

// current leaves out examples of a file that corrections contradict, now or in an earlier night.
func (c *chosen) current(of string, items, newer []selection.Item, before map[string]bool) []selection.Item {
	items = slices.DeleteFunc(items, func(it selection.Item) bool {
		if before[it.ID] {
			c.retired(of, selection.Reason{ID: it.ID, Why: "a correction of an earlier night contradicts it"})
		}
		return before[it.ID]
	})
	kept, gone := selection.Supersede(items, newer)
	for _, r := range gone {
		c.retired(of, r)
	}
	return kept
}

// count fills the counts for the record.
func (c *chosen) count(s selection.Selection, g gathered) {
	c.counts = nightrecord.Selected{Examples: len(c.items), Rejected: len(s.Rejected) - (len(s.Quarantined) - c.aside), Quarantined: len(s.Quarantined),
		Waiting: s.Waiting + g.waiting, HeldOutBy: s.HeldOutBy, Superseded: len(c.retire) + len(c.outdated)}
	for _, it := range c.items {
		switch it.Use {
		case selection.New:
			c.counts.New++
			if it.Editor {
				c.counts.Editors++
			}
		case selection.HeldOut:
			c.counts.HeldOut++
		case selection.Rehearsal:
			c.counts.Rehearsal++
		case selection.Anchor:
			c.counts.Anchors++
		}
	}
	others, _ := selection.Parted(append(selection.Using(c.items, selection.New), selection.Using(c.items, selection.HeldOut)...))
	c.counts.Subjects, _ = selection.People(others)
	if c.counts.HeldOut == 0 {
		c.counts.HeldOutBy = ""
	}
}

// editors says whether editors are behind what is new: alone, with others, or not at all.
func (c *chosen) editors() string {
	switch c.counts.Editors {
	case 0:
		return ""
	case c.counts.New + c.counts.HeldOut:
		return history.EditorsAlone
	}
	return history.EditorsAlso
}

// rehearsal picks limit examples: half of them what the track remembers and half of them what the model came with, and more of
// one where the other has less.
func rehearsal(remembered, starter []selection.Item, limit int, pick func([]selection.Item, int) []selection.Item) []selection.Item {
	if limit <= 0 {
		return nil
	}
	half := limit / 2
	fromMemory := min(len(remembered), max(limit-half, limit-len(starter)))
	return append(pick(remembered, fromMemory), pick(starter, limit-fromMemory)...)
}

// readExamples reads a file of examples, one {"messages":[…],"completion":"…"} a line; a missing file has none. The ids
// are hashes of the content.
func readExamples(path, use string) ([]selection.Item, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read examples: %w", err)
	}
	return parseExamples(path, data, use)
}

// parseExamples reads the content of such a file.
func parseExamples(path string, data []byte, use string) ([]selection.Item, error) {
	var items []selection.Item
	seen := map[string]bool{}
	for number, line := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var e anchors.Example
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("read examples %s, line %d: %w", path, number+1, err)
		}
		if len(e.Messages) == 0 || strings.TrimSpace(e.Completion) == "" {
			return nil, fmt.Errorf("read examples %s, line %d: want messages and a completion", path, number+1)
		}
		canonical, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("read examples %s, line %d: %w", path, number+1, err)
		}
		sum := sha256.Sum256(canonical)
		id := "file-" + hex.EncodeToString(sum[:12])
		if seen[id] {
			continue
		}
		seen[id] = true
		items = append(items, selection.Item{Example: replaystore.Example{ID: id, Kind: replaystore.SFT, Prompt: e.Messages, Completion: e.Completion},
			Use: use, Weight: 1, Open: e.Open, Why: filepath.Base(path)})
	}
	return items, nil
}
