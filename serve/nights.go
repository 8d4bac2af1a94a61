package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api"
)

// Where the updater runs.
const (
	updaterNone = "none"
)

const (
	requestLife = time.Hour              // after which a request without a record counts as lost
	longestLife = 7 * 24 * time.Hour     // after which a record that is not final says nothing of a night that runs
	followPoll  = 250 * time.Millisecond // between looks at a night's record
	followIdle  = 10 * time.Second       // between comments in a stream without news
)

// nights shows nights from their records and asks for new ones over the control stream.
type nights struct {
	registry *registry.Registry
	control  replaystore.Control
	updater  string
	catchUp  func(track string) // serves a track's newest activation; nil where nothing is served

	mu      sync.Mutex
	pending map[string]asked  // requests without a record yet
	tracks  map[string]string // night → track of the records that were read: another track's need not be read again
	feeds   map[chan replaystore.ProgressSignal]string
}

// asked is a request for a night.
type asked struct {
	track  string
	by     string
	dryRun bool
	at     time.Time
}

func newNights(r *registry.Registry, control replaystore.Control, updater string) *nights {
	return &nights{registry: r, control: control, updater: updater, pending: map[string]asked{}, tracks: map[string]string{}, feeds: map[chan replaystore.ProgressSignal]string{}}
}

// record reads a night's record. ok is false while there is none.
func (n *nights) record(id string) (night api.RawNight, ok bool, err error) {
	data, err := n.registry.ReadNight(id, nightrecord.File)
	if errors.Is(err, registry.ErrNotFound) {
		return night, false, nil
	}
	if err != nil {
		return night, false, err
	}
	rec, err := nightrecord.Decode(data)
	if err != nil {
		return night, false, fmt.Errorf("read night %s: %w", id, err)
	}
	var compact json.RawMessage
	if compact, err = compactJSON(data); err != nil {
		return night, false, fmt.Errorf("read night %s: %w", id, err)
	}
	n.mu.Lock()
	n.tracks[id] = rec.Track
	n.mu.Unlock()
	return api.RawNight{ID: id, Track: rec.Track, State: rec.State, Record: compact}, true, nil
}

// settle has this server serve what a night published before it says so: whoever reads "published" and asks gets the new
// version.
func (n *nights) settle(night api.RawNight) {
	if night.State == nightrecord.Published && n.catchUp != nil {
		n.catchUp(night.Track)
	}
}

// queued is what a requested night without a record looks like.
func (n *nights) queued(id string) (api.RawNight, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.pending[id]
	if !ok {
		return api.RawNight{}, false
	}
	data, err := compactValue(nightrecord.Night{ID: id, Track: a.track, State: nightrecord.Queued, By: a.by, DryRun: a.dryRun})
	if err != nil {
		return api.RawNight{}, false
	}
	return api.RawNight{ID: id, Track: a.track, State: nightrecord.Queued, Record: data}, true
}

// Night implements api.Admin.
func (n *nights) Night(_ context.Context, id string) (api.RawNight, error) {
	night, err := n.read(id)
	if err == nil {
		n.settle(night)
	}
	return night, err
}

// read reads a record, or what stands for it.
func (n *nights) read(id string) (api.RawNight, error) {
	night, ok, err := n.record(id)
	if err != nil || ok {
		return night, err
	}
	if night, ok = n.queued(id); ok {
		return night, nil
	}
	return api.RawNight{}, fmt.Errorf("night %s: %w", clip(id), registry.ErrNotFound)
}

// Nights implements api.Admin. It reads the newest first and stops when it has enough.
func (n *nights) Nights(ctx context.Context, tracks []string, limit int) ([]api.RawNight, error) {
	var list []api.RawNight
	settled := map[string]bool{}
	err := n.newest(ctx, tracks, "", func(night api.RawNight) bool {
		if night.State == nightrecord.Published && !settled[night.Track] {
			settled[night.Track] = true
			n.settle(night)
		}
		list = append(list, night)
		return len(list) < limit
	})
	return list, err
}

// newest visits the nights of some tracks whose ids are not below since, newest first, until visit says no; no track is
// every track. A record that was seen to be another track's is not read again.
func (n *nights) newest(ctx context.Context, tracks []string, since string, visit func(api.RawNight) (more bool)) error {
	ids, err := n.registry.ListNights()
	if err != nil {
		return err
	}
	n.mu.Lock()
	for id := range n.pending {
		ids = append(ids, id)
	}
	foreign := map[string]bool{}
	for id, track := range n.tracks {
		foreign[id] = len(tracks) > 0 && !slices.Contains(tracks, track)
	}
	n.mu.Unlock()
	slices.Sort(ids)
	for _, id := range slices.Backward(slices.Compact(ids)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if id < since {
			return nil
		}
		if foreign[id] {
			continue
		}
		night, err := n.read(id)
		if err != nil || len(tracks) > 0 && !slices.Contains(tracks, night.Track) {
			continue // a directory without a record, or a damaged one: /v1/nights/{id} tells
		}
		if !visit(night) {
			return nil
		}
	}
	return nil
}

// running finds a night of a track that is queued or runs, "" where there is none.
func (n *nights) running(ctx context.Context, track string, now time.Time) (id string, err error) {
	since := now.Add(-longestLife).UTC().Format(nightrecord.IDTime)
	err = n.newest(ctx, []string{track}, since, func(night api.RawNight) bool {
		if !night.State.Final() {
			id = night.ID
		}
		return id == ""
	})
	return id, err
}

// RequestNight implements api.Admin.
func (n *nights) RequestNight(ctx context.Context, track, by string, dryRun bool) (string, error) {
	if n.updater == updaterNone {
		return "", fmt.Errorf("ask for a night: %w; start `nightshift run`, or `nightshift update` beside this server", api.ErrNoUpdater)
	}
	now := time.Now()
	n.sweep(now) // a request that was taken up since does not stand in the way of the next
	if running, err := n.running(ctx, track, now); err != nil {
		return "", err
	} else if running != "" {
		return "", fmt.Errorf("night %s: %w", running, api.ErrNightRunning)
	}
	options, err := json.Marshal(map[string]bool{"dry_run": dryRun})
	if err != nil {
		return "", fmt.Errorf("ask for a night: %w", err)
	}
	id := nightrecord.NewID(time.Now())
	if err := n.reserve(id, track, by, dryRun); err != nil {
		return "", err
	}
	if _, err := replaystore.Send(ctx, n.control, replaystore.NightRequest{Night: id, Track: track, By: by, Options: options}); err != nil {
		n.forget(id)
		return "", fmt.Errorf("ask for a night: %w: %w", api.ErrUnavailable, err)
	}
	return id, nil
}

// reserve notes a request unless the track has one.
func (n *nights) reserve(id, track, by string, dryRun bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other, a := range n.pending {
		if a.track == track {
			return fmt.Errorf("night %s: %w", other, api.ErrNightRunning)
		}
	}
	n.pending[id] = asked{track: track, by: by, dryRun: dryRun, at: time.Now()}
	return nil
}

func (n *nights) forget(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pending, id)
}

// sweep forgets requests that have a record now, or that nobody took for too long.
func (n *nights) sweep(now time.Time) {
	n.mu.Lock()
	pending := maps.Clone(n.pending)
	n.mu.Unlock()
	for id, a := range pending {
		if _, ok, _ := n.record(id); ok || now.Sub(a.at) > requestLife { // an error of reading is told by /v1/nights/{id}
			n.forget(id)
		}
	}
}

// requested notes a request that another process made.
func (n *nights) requested(r replaystore.NightRequest) {
	if _, ok, err := n.record(r.Night); ok || err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.pending[r.Night]; !ok {
		n.pending[r.Night] = asked{track: r.Track, by: r.By, at: time.Now()}
	}
}

// progress hands a step of a night to its followers; one that is slow misses steps.
func (n *nights) progress(p replaystore.ProgressSignal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for feed, id := range n.feeds {
		if id == p.Night {
			select {
			case feed <- p:
			default:
			}
		}
	}
}
