package update

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Files beside a model's weights.
const (
	starterFile   = "rehearsal.jsonl" // what the base model must not forget, rehearsed
	anchorFile    = "anchors.jsonl"   // the same, measured
	selectionFile = work.SelectionFile
)

// chosen is what a night works with, and what it says about older examples.
type chosen struct {
	items    []selection.Item // new, held out, rehearsal, anchors
	retire   []string         // of the rehearsal memory
	outdated []string         // of the model's files
	rejected []selection.Reason
	counts   nightrecord.Selection
}

// choose selects from what was gathered, and picks what to rehearse and to measure beside it.
func (n *night) choose(ctx context.Context, g gathered, p past, key []byte) (chosen, error) {
	var c chosen
	memory, err := n.u.deps.Store.Rehearsal(ctx, n.req.Track)
	if err != nil {
		return c, fmt.Errorf("read rehearsal memory of track %s: %w", n.req.Track, err)
	}
	s := n.settings
	selected, err := selection.FromEvents(g.events, selection.Options{Now: n.frozen.Time, MinAge: s.MinAge, HeldOut: s.HeldOut, HeldOutKey: windowKey(key, n.frozen.Time, s.Rotation),
		MaxExamples: s.MaxExamples, PerSubject: s.PerSubject, Correction: s.Correction, Approval: s.Approval, Again: p.again})
	if err != nil {
		return c, err
	}
	c.rejected = selected.Rejected
	fresh := map[string]bool{}
	trained := trainedSubjects(memory)
	if s.Rotation > 0 {
		if err := n.u.learnedFrom(p.learned, trained); err != nil {
			return c, err
		}
	}
	keepLearning(selected.Items, trained)
	for _, it := range selected.Items {
		fresh[it.Interaction] = true
	}
	remembered := c.remember(memory, selected.Items, fresh, g.negative, p.suspect)
	newer := append(slices.Clone(selected.Items), remembered...)
	starter, err := readExamples(filepath.Join(n.u.cfg.ModelDir, starterFile), selection.Rehearsal)
	if err != nil {
		return c, err
	}
	anchorPath := s.Anchors
	if anchorPath == "" {
		anchorPath = filepath.Join(n.u.cfg.ModelDir, anchorFile)
	}
	anchors, err := readExamples(anchorPath, selection.Anchor)
	if err != nil {
		return c, err
	}
	starter = without(starter, anchors)
	starter, anchors = c.current(starter, newer, p.retired), c.current(anchors, newer, p.retired)
	slices.Sort(c.outdated)
	c.outdated = slices.Compact(c.outdated)

	c.items = append(use(selected.Items, selection.New), use(selected.Items, selection.HeldOut)...)
	c.items = append(c.items, rehearsal(remembered, starter, s.RehearsalLimit)...)
	c.items = append(c.items, sample(anchors, s.AnchorLimit)...)
	c.count(selected, g)
	return c, nil
}

// trainedSubjects are the people whose examples are in the memory.
func trainedSubjects(memory replaystore.Rehearsal) map[string]bool {
	set := map[string]bool{}
	for _, m := range memory.Items() {
		set[m.Subject] = true
	}
	return set
}

// remember takes what the memory holds and still holds true.
func (c *chosen) remember(memory replaystore.Rehearsal, newer []selection.Item, fresh, negative, suspect map[string]bool) []selection.Item {
	var items []selection.Item
	for _, m := range memory.Items() {
		if m.Kind == replaystore.Unpaired || suspect[m.ID] {
			continue
		}
		if m.Kind == replaystore.Preference {
			m.Kind, m.Completion, m.Chosen = replaystore.SFT, m.Chosen, ""
		}
		if fresh[m.Interaction] || negative[m.Interaction] && m.Rejected == "" { // a bad rating of an answer is none of its correction
			c.retire = append(c.retire, m.ID)
			continue
		}
		items = append(items, selection.Item{Example: m.Example, Use: selection.Rehearsal, Weight: 1, Why: "rehearsal memory"})
	}
	kept, gone := selection.Supersede(items, append(slices.Clone(newer), items...))
	for _, r := range gone {
		c.retire = append(c.retire, r.ID)
	}
	return kept
}

// without leaves out of the starter memory what is measured: an anchor is never trained on, whatever the files say.
func without(starter, anchors []selection.Item) []selection.Item {
	measured := map[string]bool{}
	for _, it := range anchors {
		measured[it.ID] = true
	}
	return slices.DeleteFunc(starter, func(it selection.Item) bool { return measured[it.ID] })
}

// current leaves out examples of a file that corrections contradict, now or in an earlier night.
func (c *chosen) current(items, newer []selection.Item, before map[string]bool) []selection.Item {
	items = slices.DeleteFunc(items, func(it selection.Item) bool {
		if before[it.ID] {
			c.outdated = append(c.outdated, it.ID)
		}
		return before[it.ID]
	})
	kept, gone := selection.Supersede(items, newer)
	for _, r := range gone {
		c.outdated = append(c.outdated, r.ID)
	}
	return kept
}

// count fills the counts for the record.
func (c *chosen) count(s selection.Selection, g gathered) {
	c.counts = nightrecord.Selection{Examples: len(c.items), Rejected: len(s.Rejected), Waiting: s.Waiting + g.waiting,
		Superseded: len(c.retire) + len(c.outdated)}
	for _, it := range c.items {
		switch it.Use {
		case selection.New:
			c.counts.New++
		case selection.HeldOut:
			c.counts.HeldOut++
		case selection.Rehearsal:
			c.counts.Rehearsal++
		case selection.Anchor:
			c.counts.Anchors++
		}
	}
	c.counts.Subjects, _ = selection.People(c.items, selection.New)
}

// use picks the items with a use.
func use(items []selection.Item, use string) []selection.Item {
	var list []selection.Item
	for _, it := range items {
		if it.Use == use {
			list = append(list, it)
		}
	}
	return list
}

// rehearsal picks limit examples: half of them what the track remembers and half of them what the model came with, and
// more of one where the other has less.
func rehearsal(remembered, starter []selection.Item, limit int) []selection.Item {
	if limit <= 0 {
		return nil
	}
	half := limit / 2
	fromMemory := min(len(remembered), max(limit-half, limit-len(starter)))
	return append(sample(remembered, fromMemory), sample(starter, limit-fromMemory)...)
}

// sample picks at most limit items by a hash of their ids, so that the choice changes little from night to night, and
// leaves them in order.
func sample(items []selection.Item, limit int) []selection.Item {
	if len(items) <= limit {
		return items
	}
	rank := func(it selection.Item) uint64 {
		sum := sha256.Sum256([]byte("sample\x00" + it.ID))
		return binary.BigEndian.Uint64(sum[:])
	}
	ranks := make([]uint64, len(items))
	for i, it := range items {
		ranks[i] = rank(it)
	}
	slices.Sort(ranks)
	var list []selection.Item
	for _, it := range items {
		if limit > 0 && rank(it) <= ranks[limit-1] {
			list = append(list, it)
		}
	}
	return list
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
		var e struct {
			Messages   []replaystore.Message `json:"messages"`
			Completion string                `json:"completion"`
		}
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
			Use: use, Weight: 1, Why: filepath.Base(path)})
	}
	return items, nil
}

// encodeItems writes a selection, one item a line.
func encodeItems(items []selection.Item) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, it := range items {
		if err := e.Encode(it); err != nil {
			return nil, fmt.Errorf("encode example %s: %w", it.ID, err)
		}
	}
	return b.Bytes(), nil
}

// decodeItems reads what encodeItems wrote.
func decodeItems(data []byte) ([]selection.Item, error) {
	var items []selection.Item
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var it selection.Item
		if err := d.Decode(&it); errors.Is(err, io.EOF) {
			return items, nil
		} else if err != nil {
			return nil, fmt.Errorf("decode example %d: %w", len(items)+1, err)
		}
		items = append(items, it)
	}
}
