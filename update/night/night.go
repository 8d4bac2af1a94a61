package night

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/config"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/gate"
	"nightshift/update/history"
	"nightshift/update/work"
)

// night is one night that runs.
type night struct {
	nights   *Nights
	req      Request
	settings Settings
	train    work.Train // what the settings ask for, in the champion's shape once that is known
	log      nightLog
	dir      string
	frozen   frozen
	// makesWarmStart says that it makes a warm start; a night that was frozen is what it was then.
	makesWarmStart bool
	looks          bool // it only looks at what there is, and starts no child process
}

// frozen is what a night decided on before it began to compute. It is stored as config.json.
type frozen struct {
	Night     string              `json:"night"`
	Track     string              `json:"track"`
	By        string              `json:"by"`
	DryRun    bool                `json:"dry_run"`
	Time      time.Time           `json:"time"`
	Champion  registry.Activation `json:"champion"`           // the state of the track that the night rests on
	Reference string              `json:"reference"`          // digest of the fixed reference, "" the base model
	Cursor    replaystore.Cursor  `json:"cursor"`             // how far the track's events are used up
	Retire    []string            `json:"retire"`             // items of the rehearsal memory that do not hold any more
	Reviewed  []string            `json:"reviewed,omitempty"` // earlier nights whose evidence it takes up again, reviewed or withdrawn
	Editors   string              `json:"editors,omitempty"`  // whether editors are behind it: alone, with others, or ""
	Beyond    []string            `json:"beyond,omitempty"`   // keys of editors' feedback after the cursor that it uses
	HeldOutBy string              `json:"held_out_by,omitempty"`
	WarmStart registry.Ref        `json:"warm_start,omitzero"` // warm start that training begins with
	Tracks    []string            `json:"tracks,omitempty"`    // that a warm start is made of
	Judges    int                 `json:"judges,omitempty"`    // which of the nights that judge a candidate against this champion: 1, 2, …
}

// config is what configFile holds: what was decided on, and the settings with the keys of the configuration, for people to read.
func (n *night) config() any {
	return struct {
		frozen
		Update map[string]any `json:"update"`
		Train  work.Train     `json:"train"` // what the settings come to: the champion's shape, the model's rate
	}{n.frozen, config.Values(n.settings), n.train}
}

// limits are what the gate holds the candidate to.
func (n *night) limits() gate.Limits { return n.settings.limits(n.frozen.Judges) }

// skip ends a night that has nothing to do.
type skip struct{ reason string }

func (s skip) Error() string { return s.reason }

// night prepares a night without a trace.
func (ns *Nights) night(req Request) *night {
	s := ns.cfg.Of(req.Track)
	n := &night{nights: ns, req: req, settings: s, train: ns.cfg.train(s), makesWarmStart: s.WarmStart.Track == req.Track}
	n.log = nightLog{nights: ns, night: nightrecord.Night{ID: req.Night, Track: req.Track, By: req.By, DryRun: req.DryRun}}
	n.dir, _ = ns.deps.Registry.NightDir(req.Night) // its name is checked when it is created
	return n
}

// run runs the night to its end and writes down how it ended.
func (n *night) run(ctx context.Context) (nightrecord.Night, error) {
	n.log.night.Started = n.log.now()
	err := n.steps(ctx)
	var skipped skip
	switch {
	case err == nil:
	case errors.As(err, &skipped):
		err = n.log.end(ctx, nightrecord.Skipped, skipped.reason)
	default:
		reason := err.Error()
		if ctx.Err() != nil {
			reason = "interrupted: " + reason
		}
		err = fmt.Errorf("night %s of track %s: %w", n.req.Night, n.req.Track, errors.Join(err, n.log.end(ctx, nightrecord.Failed, reason)))
	}
	return n.log.night, err
}

// steps are the night.
func (n *night) steps(ctx context.Context) error {
	if err := n.nights.deps.Registry.FindTrack(n.req.Track); err != nil { // deleted since the night was asked for
		return err
	}
	if err := n.log.state(ctx, nightrecord.Waiting, ""); err != nil {
		return err
	}
	if err := n.shipped(ctx); err != nil {
		return err
	}
	if err := n.log.state(ctx, nightrecord.Selecting, ""); err != nil {
		return err
	}
	freeze, conclude := n.freeze, n.conclude
	if n.makesWarmStart {
		freeze, conclude = n.freezeWarmStart, n.concludeWarmStart
	}
	items, err := freeze(ctx)
	if err != nil {
		return err
	}
	n.nights.deps.At("frozen")
	if err := n.log.state(ctx, nightrecord.Training, ""); err != nil {
		return err
	}
	if err := n.nights.deps.Runner.Run(ctx, n.dir, n.log.progress); err != nil {
		return err
	}
	n.nights.deps.At("computed")
	if err := n.log.state(ctx, nightrecord.Gating, ""); err != nil {
		return err
	}
	return conclude(ctx, items)
}

// shipped asks every live server to ship its journal, and waits until all have or the wait is over; what is left behind
// then comes with the next night.
func (n *night) shipped(ctx context.Context) error {
	control := n.nights.deps.Store.Control()
	if !n.req.announced {
		options, err := json.Marshal(requestOptions{DryRun: n.req.DryRun})
		if err != nil {
			return err
		}
		request := replaystore.NightRequest{Night: n.req.Night, Track: n.req.Track, By: n.req.By, Options: options}
		if _, err := replaystore.Send(ctx, control, request); err != nil {
			return fmt.Errorf("announce night: %w", err)
		}
	}
	var marks replaystore.Marks
	observe := func(list []replaystore.Signal, received func(replaystore.Signal) time.Time) {
		for _, s := range list {
			if err := marks.Observe(s, received(s)); err != nil {
				n.nights.deps.Log.Warn("a signal is not understood", "signal", s.ID, "error", err)
			}
		}
	}
	after := ""
	for { // who is alive: what was said so far, by the stream's clock
		list, err := control.Read(ctx, after, 1000, 0)
		if err != nil {
			return fmt.Errorf("read control stream: %w", err)
		}
		if len(list) == 0 {
			break
		}
		after = list[len(list)-1].ID
		observe(list, func(s replaystore.Signal) time.Time { return s.Time })
	}
	until := time.Now().Add(n.nights.cfg.ShipWait)
	for {
		behind := marks.Behind(n.req.Night, time.Now().Add(-n.nights.cfg.Alive))
		if len(behind) == 0 {
			return nil
		}
		left := time.Until(until)
		if left <= 0 {
			n.log.say("went on without what these servers have not shipped: " + strings.Join(behind, ", "))
			n.nights.deps.Log.Warn("servers are behind; the night goes on without them", "night", n.req.Night, "servers", behind)
			return nil
		}
		if err := n.log.state(ctx, nightrecord.Waiting, "for the journals of "+strings.Join(behind, ", ")); err != nil {
			return err
		}
		list, err := control.Read(ctx, after, 1000, min(left, time.Second))
		if err != nil {
			return fmt.Errorf("read control stream: %w", err)
		}
		if len(list) > 0 {
			after = list[len(list)-1].ID
		}
		observe(list, func(replaystore.Signal) time.Time { return time.Now() })
	}
}

// base finds the state of the track that the night rests on, the track's fixed reference, and which night it is that judges
// against this champion. A reference that learned from somebody who was erased gives way to the last clean version of its line.
func (n *night) base() (champion registry.Activation, reference string, err error) {
	list, err := n.nights.deps.Registry.Activations(n.req.Track)
	if err != nil {
		return champion, "", err
	}
	if champion, err = n.nights.deps.Registry.Champion(n.req.Track); err != nil {
		return champion, "", err
	}
	if champion.Held {
		return champion, "", skip{fmt.Sprintf("%s holds the track: %s", champion.Actor, champion.Reason)}
	}
	if ref, canary := champion.Canary(); canary {
		return champion, "", skip{fmt.Sprintf("%s is on trial", ref)}
	}
	judged, err := n.nights.history.Judged(n.req.Track, champion.Digest, history.Reign(list))
	if err != nil {
		return champion, "", err
	}
	n.frozen.Judges = judged + 1
	clean, err := history.NewTaint(n.nights.deps.Registry).Clean(n.req.Track, approved(list))
	return champion, clean.Digest, err
}

// approved is the version that a person activated last, "" the base model of night 0. Holding and releasing a track
// approves nothing.
func approved(list []registry.Activation) string {
	for i, a := range slices.Backward(list) {
		var before registry.Activation
		if i > 0 {
			before = list[i-1]
		}
		if registry.Human(a.Actor) && (a.Digest != before.Digest || a.Held == before.Held) {
			return a.Digest
		}
	}
	return ""
}
