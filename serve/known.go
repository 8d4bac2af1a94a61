package serve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"nightshift/internal/teach"
	"nightshift/replaystore"
	"nightshift/serve/api"
)

// known is what people have said to be right, by question: the newest correction, an editor's before others'. It follows the store, and
// holds as much as was corrected, once somebody has asked for it.
type known struct {
	store replaystore.Store

	mu     sync.Mutex
	tracks map[string]*corrected
}

// corrected is what is known of a track.
type corrected struct {
	cursor replaystore.Cursor
	by     map[string]correction // by teach.Key of the conversation
}

// correction is what was said, and what an erasure knows it by.
type correction struct {
	api.Said
	interaction, asked, subject string // the last two are the people who asked and who corrected
}

// knownPage is how many events one scan asks for.
const knownPage = 500

// of returns what was said of questions, by their keys, with what the track remembers of them.
func (k *known) of(ctx context.Context, track string, keys []string) (map[string]api.Said, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err := k.follow(ctx, track)
	if err != nil {
		return nil, err
	}
	found := map[string]api.Said{}
	wanted := map[string]bool{}
	for _, key := range keys {
		wanted[key] = true
		if said, ok := c.by[key]; ok {
			found[key] = said.Said
		}
	}
	memory, err := k.store.Rehearsal(ctx, track)
	if err != nil {
		return nil, fmt.Errorf("read rehearsal memory of track %s: %w", track, err)
	}
	for _, m := range memory.Items() {
		key := teach.Key(m.Prompt)
		if !wanted[key] || m.Kind == replaystore.Unpaired {
			continue
		}
		learned := api.Said{Answer: cmp.Or(m.Completion, m.Chosen), Editor: m.Editor, Source: m.Source, Time: m.Time, Learned: true}
		if said, ok := found[key]; !ok || teach.Same(said.Answer, learned.Answer) || outdates(said, learned) {
			found[key] = learned
		}
	}
	return found, nil
}

// follow reads what was said since the last time.
func (k *known) follow(ctx context.Context, track string) (*corrected, error) {
	if k.tracks == nil {
		k.tracks = map[string]*corrected{}
	}
	c := k.tracks[track]
	if c == nil {
		c = &corrected{by: map[string]correction{}}
		k.tracks[track] = c
	}
	for {
		list, next, err := k.store.Scan(ctx, track, c.cursor, knownPage)
		if err != nil {
			return nil, fmt.Errorf("read events of track %s: %w", track, err)
		}
		if len(list) == 0 {
			return c, nil
		}
		for _, e := range list {
			switch {
			case e.Erasure != nil:
				c.erase(e.Erasure)
			case e.Feedback != nil && e.Feedback.Correction != nil:
				if err := k.note(ctx, c, *e.Feedback); err != nil {
					return nil, err
				}
			}
		}
		c.cursor = next
	}
}

// note takes in a correction.
func (k *known) note(ctx context.Context, c *corrected, f replaystore.Feedback) error {
	in, found, err := k.store.Interaction(ctx, f.Track, f.Interaction)
	if err != nil {
		return fmt.Errorf("read interaction %s: %w", f.Interaction, err)
	}
	if !found {
		return nil
	}
	key := teach.Key(in.Messages)
	said := correction{Said: api.Said{Answer: *f.Correction, Editor: f.Editor, Source: f.Source, Time: f.Time}, interaction: f.Interaction, asked: in.Subject, subject: f.Subject}
	if before, ok := c.by[key]; !ok || outdates(before.Said, said.Said) {
		c.by[key] = said
	}
	return nil
}

// erase drops what is from somebody who was erased.
func (c *corrected) erase(e *replaystore.Erasure) {
	maps.DeleteFunc(c.by, func(_ string, said correction) bool {
		return e.Covers(said.asked, said.Time) || e.Covers(said.subject, said.Time) || slices.Contains(e.Interactions, said.interaction)
	})
}

// outdates says whether what was said later counts in the place of what was said before.
func outdates(before, later api.Said) bool {
	if before.Editor != later.Editor {
		return later.Editor
	}
	return !later.Time.Before(before.Time)
}
