package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// tracks shows tracks and their versions.
type tracks struct {
	versions *versions
	registry *registry.Registry
	ledger   *ledger
	plan     Plan // nil where nobody learns
}

// NextNight implements api.Admin.
func (t *tracks) NextNight(ctx context.Context, track string) *nightrecord.Plan {
	if t.plan == nil {
		return nil
	}
	p, err := t.plan(ctx, track)
	if err != nil { // what serves can be told all the same
		p = nightrecord.Plan{Track: track, Time: time.Now().UTC(), Needs: []nightrecord.Need{}, Help: []string{}, Sentences: []string{"What the next night would find cannot be told now: " + err.Error() + "."}}
	}
	return &p
}

// Tracks implements api.Admin.
func (t *tracks) Tracks(ctx context.Context) ([]wire.Track, error) {
	var list []wire.Track
	for _, m := range t.versions.Models() {
		name := m.Champion.Track
		l, err := t.versions.serving(name)
		if err != nil {
			return nil, err
		}
		w := wire.Track{Track: name, Problem: l.problem, Champion: wire.Champion{Digest: l.champion.Digest, Activation: l.activation.Sequence, Hold: l.activation.Held}}
		if !l.champion.Base() {
			w.Champion.Version = &l.champion.Number
		}
		if l.activation.Sequence > 0 {
			w.Champion.Since = &l.activation.Time
		}
		if l.candidate.Digest != "" {
			w.Candidate = &wire.OnTrial{Version: l.candidate.Number, Digest: l.candidate.Digest, Share: l.share}
		}
		refs, err := t.registry.Versions(name)
		if err != nil && !errors.Is(err, registry.ErrCorrupt) {
			return nil, err
		}
		w.Versions = len(refs)
		if w.Interactions, w.Feedback, err = t.ledger.counts(ctx, name); err != nil {
			w.Interactions, w.Feedback = -1, -1 // the store is down: /readyz says so
		}
		list = append(list, w)
	}
	return list, nil
}

// Adapters implements api.Admin.
func (t *tracks) Adapters(_ context.Context, track string) ([]wire.Adapter, error) {
	refs, err := t.registry.Versions(track)
	if err != nil && !errors.Is(err, registry.ErrCorrupt) {
		return nil, err
	}
	previous, _ := t.registry.Resolve(track, "@prev") // a track without one has none
	list := make([]wire.Adapter, 0, len(refs))
	for _, ref := range slices.Backward(refs) {
		a, _, _, err := t.adapter(ref, previous)
		if err != nil && !errors.Is(err, registry.ErrCorrupt) && !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// adapter describes a version, with its manifest and the verdict of its night; with an error what is known without its manifest.
func (t *tracks) adapter(ref, previous registry.Ref) (a wire.Adapter, m registry.Manifest, verdict json.RawMessage, err error) {
	a = wire.Adapter{Track: ref.Track, Version: ref.Number, Digest: ref.Digest, State: "available"}
	if m, err = t.registry.Version(ref.Digest); err != nil {
		a.State = "rejected"
		fail := "fail"
		a.SelfTest = &fail
		return a, m, nil, err
	}
	a.Created, a.Night, a.Parent, a.Examples = m.Created, m.Night, m.Parent, m.Examples
	if mark, ok := t.versions.marks.Load(ref.Digest); ok {
		text := mark.(string)
		a.SelfTest = &text
	}
	verdict, pass := t.verdict(m.Night)
	if verdict != nil {
		text := map[bool]string{true: "pass", false: "reject"}[pass]
		a.Gate = &text
	}
	l, _ := t.versions.serving(ref.Track)
	switch {
	case l.champion.Digest == ref.Digest:
		a.State = "champion"
	case l.candidate.Digest == ref.Digest:
		a.State = "candidate"
	case verdict != nil && !pass:
		a.State = "rejected"
	case previous.Digest == ref.Digest:
		a.State = "previous"
	}
	return a, m, verdict, nil
}

// verdict reads what the gate said of a night's candidate; nil when there is none.
func (t *tracks) verdict(night string) (verdict json.RawMessage, pass bool) {
	if night == "" {
		return nil, false
	}
	data, err := t.registry.ReadNight(night, nightrecord.File)
	if err != nil {
		return nil, false
	}
	record, err := nightrecord.Decode(data)
	if err != nil || record.Verdict == nil {
		return nil, false
	}
	verdict, err = json.Marshal(record.Verdict)
	if err != nil {
		return nil, false
	}
	return verdict, record.Verdict.Pass
}

// Adapter implements api.Admin.
func (t *tracks) Adapter(_ context.Context, track string, number int) (wire.AdapterDetail, error) {
	ref, err := t.registry.Resolve(track, fmt.Sprintf("@%d", number))
	if err != nil {
		return wire.AdapterDetail{}, err
	}
	previous, _ := t.registry.Resolve(track, "@prev") // a track without one has none
	a, m, verdict, err := t.adapter(ref, previous)
	if err != nil {
		return wire.AdapterDetail{}, err
	}
	m.SelfTest = nil // long, and of use to servers alone
	manifest, err := replaystore.EncodeJSON(m)
	return wire.AdapterDetail{Adapter: a, Manifest: manifest, Verdict: verdict}, err
}
