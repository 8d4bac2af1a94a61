package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// follower turns signals and records of one night into events, each step once.
type follower struct {
	tell  func(event string, data json.RawMessage) error
	state nightrecord.State
	last  wire.ProgressEvent
	said  time.Time
}

// FollowNight implements api.Admin. Steps come from the control stream and, where that lost some, from the record, which is
// also the truth about states.
func (n *nights) FollowNight(ctx context.Context, id string, tell func(event string, data json.RawMessage) error) error {
	feed := make(chan replaystore.ProgressSignal, 64)
	n.mu.Lock()
	n.feeds[feed] = id
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.feeds, feed)
		n.mu.Unlock()
	}()
	f := &follower{tell: tell, said: time.Now()}
	ticker := time.NewTicker(followPoll)
	defer ticker.Stop()
	for {
		done, err := f.look(ctx, n, id)
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p := <-feed:
			err = f.signal(p)
		case now := <-ticker.C:
			if now.Sub(f.said) > followIdle {
				f.said = now
				err = tell("", nil)
			}
		}
		if err != nil {
			return err
		}
	}
}

// look reads the record and tells what is new in it; done when the night is over.
func (f *follower) look(ctx context.Context, n *nights, id string) (done bool, err error) {
	night, err := n.Night(ctx, id)
	if err != nil {
		return false, err
	}
	rec, err := nightrecord.Decode(night.Record)
	if err != nil {
		return false, err
	}
	if rec.State != f.state {
		f.state = rec.State
		if err := f.send(wire.NightState, wire.StateEvent{State: string(rec.State), Reason: rec.Reason}); err != nil {
			return false, err
		}
	}
	if p := rec.Progress; p != nil {
		s := wire.ProgressEvent{Phase: p.Phase, Step: int64(p.Step), Steps: int64(p.Steps), ETA: &p.ETA, Time: p.Time}
		if p.Loss != 0 {
			s.Loss, s.Rate = &p.Loss, &p.Rate
		}
		if err := f.step(s); err != nil {
			return false, err
		}
	}
	if rec.State.Final() {
		return true, f.tell(wire.NightDone, night.Record)
	}
	return false, nil
}

// signal tells a step from the control stream.
func (f *follower) signal(p replaystore.ProgressSignal) error {
	s := wire.ProgressEvent{Phase: p.Stage, Step: p.Done, Steps: p.Total, Time: time.Now().UTC()}
	for name, field := range map[string]**float64{"loss": &s.Loss, "lr": &s.Rate, "eta_seconds": &s.ETA} {
		if v, ok := p.Values[name]; ok {
			*field = &v
		}
	}
	return f.step(s)
}

// step tells a step unless it or a later one of its phase was told.
func (f *follower) step(s wire.ProgressEvent) error {
	if s.Phase == f.last.Phase && s.Step <= f.last.Step {
		return nil
	}
	f.last = s
	return f.send(wire.NightProgress, s)
}

func (f *follower) send(event string, v any) error {
	data, err := compactValue(v)
	if err != nil {
		return err
	}
	f.said = time.Now()
	return f.tell(event, data)
}

// compactJSON takes the line breaks out of a document: an event is one line.
func compactJSON(data []byte) (json.RawMessage, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func compactValue(v any) (json.RawMessage, error) {
	data, err := replaystore.EncodeJSON(v)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return data, nil
}
