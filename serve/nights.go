package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	pending map[string]asked // requests without a record yet
	feeds   map[chan replaystore.Progress]string
}

// asked is a request for a night.
type asked struct {
	track  string
	dryRun bool
	at     time.Time
}

func newNights(r *registry.Registry, control replaystore.Control, updater string) *nights {
	return &nights{registry: r, control: control, updater: updater, pending: map[string]asked{}, feeds: map[chan replaystore.Progress]string{}}
}

// record reads a night's record. ok is false while there is none.
func (n *nights) record(id string) (night api.Night, ok bool, err error) {
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
	return api.Night{ID: id, Track: rec.Track, State: string(rec.State), Record: compact}, true, nil
}

// settle has this server serve what a night published before it says so: whoever reads "published" and asks gets the new
// version.
func (n *nights) settle(night api.Night) {
	if nightrecord.State(night.State) == nightrecord.Published && n.catchUp != nil {
		n.catchUp(night.Track)
	}
}

// queued is what a requested night without a record looks like.
func (n *nights) queued(id string) (api.Night, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.pending[id]
	if !ok {
		return api.Night{}, false
	}
	data, err := compactValue(nightrecord.Night{ID: id, Track: a.track, State: nightrecord.Queued, By: "api", DryRun: a.dryRun})
	if err != nil {
		return api.Night{}, false
	}
	return api.Night{ID: id, Track: a.track, State: string(nightrecord.Queued), Record: data}, true
}

// Read implements api.Nights.
func (n *nights) Read(_ context.Context, id string) (api.Night, error) {
	night, ok, err := n.record(id)
	if err != nil || ok {
		n.settle(night)
		return night, err
	}
	if night, ok = n.queued(id); ok {
		return night, nil
	}
	return api.Night{}, fmt.Errorf("night %s: %w", clip(id), registry.ErrNotFound)
}

// List implements api.Nights.
func (n *nights) List(ctx context.Context, tracks []string, limit int) ([]api.Night, error) {
	ids, err := n.registry.ListNights()
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	for id := range n.pending {
		ids = append(ids, id)
	}
	n.mu.Unlock()
	slices.Sort(ids)
	var list []api.Night
	for _, id := range slices.Backward(slices.Compact(ids)) {
		if len(list) == limit {
			break
		}
		night, err := n.Read(ctx, id)
		if err != nil {
			continue // a directory without a record, or a damaged one: /v1/nights/{id} tells
		}
		if len(tracks) == 0 || slices.Contains(tracks, night.Track) {
			list = append(list, night)
		}
	}
	return list, nil
}

// Request implements api.NightQueue.
func (n *nights) Request(ctx context.Context, track, by string, dryRun bool) (string, error) {
	if n.updater == updaterNone {
		return "", fmt.Errorf("ask for a night: %w; start `nightshift run`, or `nightshift update` beside this server", api.ErrNoUpdater)
	}
	recent, err := n.List(ctx, []string{track}, 20)
	if err != nil {
		return "", err
	}
	for _, night := range recent {
		if !nightrecord.State(night.State).Final() {
			return "", fmt.Errorf("night %s: %w", night.ID, api.ErrNightRunning)
		}
	}
	options, err := json.Marshal(map[string]bool{"dry_run": dryRun})
	if err != nil {
		return "", fmt.Errorf("ask for a night: %w", err)
	}
	id := nightrecord.NewID(time.Now())
	if err := n.reserve(id, track, dryRun); err != nil {
		return "", err
	}
	if _, err := replaystore.Send(ctx, n.control, replaystore.NightRequest{Night: id, Track: track, By: "api", Options: options}); err != nil {
		n.forget(id)
		return "", fmt.Errorf("ask for a night: %w: %w", api.ErrUnavailable, err)
	}
	return id, nil
}

// reserve notes a request unless the track has one.
func (n *nights) reserve(id, track string, dryRun bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other, a := range n.pending {
		if a.track == track {
			return fmt.Errorf("night %s: %w", other, api.ErrNightRunning)
		}
	}
	n.pending[id] = asked{track: track, dryRun: dryRun, at: time.Now()}
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
	defer n.mu.Unlock()
	for id, a := range n.pending {
		if _, ok, _ := n.record(id); ok || now.Sub(a.at) > requestLife {
			delete(n.pending, id)
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
		n.pending[r.Night] = asked{track: r.Track, at: time.Now()}
	}
}

// progress hands a step of a night to its followers; one that is slow misses steps.
func (n *nights) progress(p replaystore.Progress) {
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
