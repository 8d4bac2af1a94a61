package night

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// WarmStart says which track's versions are warm starts: where a track begins that has no champion yet. A night of that track selects
// nothing of its own; it makes a warm start of what the tracks remember whose settings name it. So a track that does
// not name it neither gives to it nor takes from it.
type WarmStart struct {
	Track string `yaml:"track" doc:"Track whose versions are warm starts, such as warm-start. A night of it makes a warm start of what all tracks that name it here\nremember, and the first night of each of these begins with the active one. A warm start may show what it has seen of one tenant to\nothers: give tenants that must not learn from each other different tracks here. Empty: every track begins at zero."`

	work.WarmStart
}

// warmStartDir is the warm start within a night's directory.
const warmStartDir = "warm-start"

// unseenAnswers is the share of a track's answers that a warm start is measured with and not made of.
const unseenAnswers = 0.2

// Check implements config.Checker.
func (w WarmStart) Check(report func(key, format string, args ...any)) {
	if w.Track != "" && (registry.CheckTrack(w.Track) != nil || w.Track == registry.Default) {
		report("track", "want a name like that of a track, not %q, and not default, which learns from its own traffic", w.Track)
	}
}

// WarmStarts lists the tracks of warm starts.
func (c *Config) WarmStarts() []string {
	set := map[string]bool{c.WarmStart.Track: true}
	for _, s := range c.Tracks {
		set[s.WarmStart.Track] = true
	}
	delete(set, "")
	return slices.Sorted(maps.Keys(set))
}

// origin puts the adapter that training goes on from in the champion's place into the night's directory and returns its name, "" where
// training goes on from the champion.
func (n *night) origin() (string, error) {
	if n.frozen.Champion.Digest == "" {
		return n.warmStart()
	}
	return n.fast()
}

// warmStart is the origin of a track that has no champion: the active warm start, if it has the shape that the track's settings ask
// for. Where there is none that can be used, the log says why and training begins at zero: nothing else depends on it.
func (n *night) warmStart() (string, error) {
	track := n.settings.WarmStart.Track
	if track == "" {
		return "", nil
	}
	without := func(why string) (string, error) {
		n.log.say("begins without a warm start: " + why)
		return "", nil
	}
	active, err := n.nights.deps.Registry.Champion(track)
	if err != nil {
		return "", fmt.Errorf("find the warm start: %w", err)
	}
	ref := active.Champion()
	if ref.Base() {
		return without(fmt.Sprintf("track %s has none yet", track))
	}
	config, weights, _, err := n.nights.deps.Registry.Load(ref.Digest)
	if err != nil {
		return without(fmt.Sprintf("%s: %v", ref, err))
	}
	a, err := adapter.Parse(config, weights)
	if err != nil {
		return without(fmt.Sprintf("%s: %v", ref, err))
	}
	if t := n.train; !a.Regular() || !sameShape(t, a.Config) {
		return without(fmt.Sprintf("%s has %s; the settings ask for %s", ref, shape(a.Config, nil),
			shape(adapter.Config{Rank: t.Rank, Alpha: t.Alpha, RSLoRA: t.RSLoRA, Modules: t.Modules, Layers: t.Layers}, nil)))
	}
	n.frozen.WarmStart, n.log.night.From = ref, ref.String()
	n.log.say(fmt.Sprintf("begins with the warm start %s; everything is compared with the base model", ref))
	return warmStartDir, n.putAdapter(warmStartDir, config, weights)
}

// freezeWarmStart decides what a warm start is made of and writes it down.
func (n *night) freezeWarmStart(ctx context.Context) ([]selection.Item, error) {
	n.frozen = frozen{Night: n.req.Night, Track: n.req.Track, By: n.req.By, DryRun: n.req.DryRun, Time: n.log.now()}
	var err error
	if n.frozen.Champion, n.frozen.Reference, err = n.base(); err != nil {
		return nil, err
	}
	key, err := replaystore.LoadSecret(filepath.Join(n.nights.deps.Registry.Dir(), HeldOutKeyFile), nil)
	if err != nil {
		return nil, fmt.Errorf("read the key that holds answers out: %w", err)
	}
	var c chosen
	if err := n.remembered(ctx, key, &c); err != nil {
		return nil, err
	}
	if len(n.frozen.Tracks) < 2 {
		return nil, skip{fmt.Sprintf("%d tracks remember enough, a warm start needs 2", len(n.frozen.Tracks))}
	}
	if len(selection.Using(c.items, selection.HeldOut)) == 0 {
		return nil, skip{"no track was given one answer to several questions beside another one, so nobody could see whether a warm start helps"}
	}
	if why := conversations(n.nights.cfg.ModelDir, c.items); why != "" {
		return nil, skip{why}
	}
	_, anchors, err := n.files()
	if err != nil {
		return nil, err
	}
	c.items = append(c.items, selection.RandomSample(anchors, n.nights.cfg.sizes.selfTests)...)
	c.count(selection.Selection{}, gathered{})
	n.log.night.Selected = &c.counts
	n.log.say(fmt.Sprintf("makes a warm start of %d examples of the tracks %s, and measures it with %d others", c.counts.New, strings.Join(n.frozen.Tracks, ", "), c.counts.HeldOut))
	if err := n.unchanged(c.items); err != nil {
		return nil, err
	}
	n.nights.deps.At("chosen")
	if err := n.store(c); err != nil {
		return nil, err
	}
	return c.items, n.stillRemembered(ctx, c.items)
}

// stillRemembered skips a night that chose examples which a track no longer remembers: somebody was erased before they were written
// down. They are taken out again.
func (n *night) stillRemembered(ctx context.Context, items []selection.Item) error {
	known := map[string]bool{}
	for _, track := range n.frozen.Tracks {
		memory, err := n.nights.deps.Store.Rehearsal(ctx, track)
		if err != nil {
			return fmt.Errorf("read rehearsal memory of track %s: %w", track, err)
		}
		for _, m := range memory.Items() {
			known[track+"\x00"+m.ID] = true
		}
	}
	kept := slices.DeleteFunc(slices.Clone(items), func(it selection.Item) bool {
		return it.Use != selection.Anchor && !known[it.Track+"\x00"+it.ID]
	})
	if len(kept) == len(items) {
		return nil
	}
	data, err := selection.EncodeItems(kept)
	if err != nil {
		return err
	}
	if err := n.nights.deps.Registry.WriteNightFile(n.req.Night, work.SelectionFile, data); err != nil {
		return err
	}
	return errErased
}

// remembered adds what the tracks remember that name this night's.
func (n *night) remembered(ctx context.Context, key []byte, c *chosen) error {
	tracks, err := n.nights.deps.Store.Tracks(ctx)
	if err != nil {
		return fmt.Errorf("list tracks: %w", err)
	}
	warmStarts := n.nights.cfg.WarmStarts()
	for _, track := range slices.Sorted(slices.Values(tracks)) {
		s := n.nights.cfg.Of(track)
		if s.WarmStart.Track != n.req.Track || slices.Contains(warmStarts, track) {
			continue
		}
		memory, err := n.nights.deps.Store.Rehearsal(ctx, track)
		if err != nil {
			return fmt.Errorf("read rehearsal memory of track %s: %w", track, err)
		}
		champion, err := n.nights.deps.Registry.Champion(track)
		if err != nil {
			return err
		}
		before, err := n.nights.history.Past(track, champion.Digest)
		if err != nil {
			return fmt.Errorf("read earlier nights of track %s: %w", track, err)
		}
		items := recalled(memory, before.Suspect, false)
		items, _ = selection.Supersede(items, items)
		items = selection.CapSubjects(items, s.Memory.PerSubject, selection.RandomSample)
		if minimum := max(2, s.Evidence.MinExamples); len(items) < minimum {
			n.log.say(fmt.Sprintf("leaves out track %s, which remembers %d examples, of %d that it needs", track, len(items), minimum))
			continue
		}
		n.frozen.Tracks = append(n.frozen.Tracks, track)
		c.items = append(c.items, unseen(track, selection.RandomSample(items, n.nights.cfg.sizes.rehearsal), key)...)
	}
	return nil
}

// unseen marks what a warm start is made of, and holds some answers out with all their questions: of those that were given to
// several questions a fifth, at minimum one as long as there are others, chosen by a keyed hash.
func unseen(track string, items []selection.Item, key []byte) []selection.Item {
	asked := map[string]int{}
	for _, it := range items {
		asked[it.Completion]++
	}
	rank := map[string][]byte{}
	for answer, n := range asked {
		if n > 1 {
			mac := hmac.New(sha256.New, key) // of a fixed prefix, apart from other uses of the key: another one would hold other answers out
			mac.Write([]byte("initial\x00" + answer))
			rank[answer] = mac.Sum(nil)
		}
	}
	answers := slices.SortedFunc(maps.Keys(rank), func(a, b string) int { return cmp.Or(bytes.Compare(rank[a], rank[b]), cmp.Compare(a, b)) })
	held := answers[:min(len(answers), len(asked)-1, max(1, int(math.Round(unseenAnswers*float64(len(asked))))))]
	for i := range items {
		items[i].Track, items[i].Use = track, selection.New
		if slices.Contains(held, items[i].Completion) {
			items[i].Use = selection.HeldOut
		}
	}
	return items
}

// unchanged skips a night that would make the newest version of its track once more: the same files make the same adapter. One
// that is not active because its night was interrupted is made again.
func (n *night) unchanged(items []selection.Item) error {
	refs, err := n.nights.deps.Registry.Versions(n.req.Track)
	if err != nil || len(refs) == 0 {
		return err
	}
	newest := refs[len(refs)-1]
	m, err := n.nights.deps.Registry.Version(newest.Digest)
	if err != nil || m.Night == "" {
		return err
	}
	if r, found, err := n.nights.history.Record(m.Night); err != nil || found && r.State == nightrecord.Failed && n.frozen.Champion.Digest != newest.Digest {
		return err
	}
	data, err := selection.EncodeItems(items)
	if err != nil {
		return err
	}
	var before work.Job
	if found, err := n.nights.history.Read(m.Night, work.JobFile, &before); err != nil || !found {
		return err
	}
	was, err := json.Marshal(before)
	if err != nil {
		return err
	}
	is, err := json.Marshal(n.job())
	if err != nil {
		return err
	}
	if m.DataDigest == digestOf(data) && bytes.Equal(was, is) {
		return skip{fmt.Sprintf("nothing has changed since %s was made", newest)}
	}
	return nil
}

// concludeWarmStart stores the warm start, and activates it if tracks learn faster from it.
func (n *night) concludeWarmStart(ctx context.Context, items []selection.Item) error {
	var e work.Evaluation
	if found, err := n.nights.history.Read(n.req.Night, work.EvaluationFile, &e); err != nil || !found {
		return errors.Join(err, missing(found && e.WarmStart != nil, work.EvaluationFile))
	}
	version, digest, err := n.candidate(e, items)
	if err != nil {
		return err
	}
	m, last := &version.Manifest, len(e.WarmStart.Steps)-1
	m.Parent, m.Tracks = "", e.WarmStart.Tracks // it begins at zero every time
	m.Figures = map[string]float64{"rounds": float64(e.WarmStart.Rounds), "asked": float64(e.WarmStart.Asked), "adapted_steps": float64(e.WarmStart.Steps[last]),
		"adapted_nll": e.WarmStart.Reached[last], "adapted_nll_from_zero": e.WarmStart.Zero[last]}
	n.log.night.WarmStart, n.log.night.Candidate = e.WarmStart, &nightrecord.Candidate{Digest: digest}
	if err := n.reproduced(e); err != nil {
		return err
	}
	refused := ""
	if !e.WarmStart.Helps() {
		refused = fmt.Sprintf("the warm start does not help: after %d steps tracks that begin with it are at %.4g nats per token on what it has not seen, others at %.4g",
			e.WarmStart.Steps[last], e.WarmStart.Reached[last], e.WarmStart.Zero[last])
	}
	return n.publish(ctx, version, items, refused)
}
