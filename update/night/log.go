package night

import (
	"context"
	"errors"
	"slices"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/update/work"
)

// curvePoints bounds the loss curve in a record; a longer one is thinned to every second point.
const curvePoints = 400

// quietFor is the minimum time between two writes of a record for progress alone.
const quietFor = 500 * time.Millisecond

// nightLog keeps the record of a running night: on disk, on the control stream and for whoever watches in this process. It
// is for one goroutine.
type nightLog struct {
	nights  *Nights
	night   nightrecord.Night
	written time.Time
	stride  int // of the thinned curve
}

// stages are the control stream's names of the states.
var stages = map[nightrecord.State]string{
	nightrecord.Waiting: "wait", nightrecord.Selecting: "select", nightrecord.Training: "train", nightrecord.Evaluating: "evaluate",
	nightrecord.Gating: "gate", nightrecord.Published: "done", nightrecord.Rejected: "done", nightrecord.Skipped: "done", nightrecord.Failed: "failed",
}

// state moves the night on and writes that down at once.
func (l *nightLog) state(ctx context.Context, s nightrecord.State, reason string) error {
	if l.night.State == s && l.night.Reason == reason {
		return nil
	}
	l.night.State, l.night.Reason = s, reason
	l.night.Progress = nil
	if !s.Final() {
		l.night.Progress = &nightrecord.Progress{Phase: stages[s], Time: l.now()}
	}
	l.say(string(s) + suffix(reason))
	return l.write(ctx, replaystore.ProgressSignal{Stage: stages[s], Text: reason})
}

// suffix appends a reason to a word.
func suffix(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// end writes the night's last state. It does so too when ctx has ended: that may be why the night ends.
func (l *nightLog) end(ctx context.Context, s nightrecord.State, reason string) error {
	l.night.Finished = l.now()
	return l.state(context.WithoutCancel(ctx), s, reason)
}

// say adds a line to the log.
func (l *nightLog) say(message string) {
	l.night.Log = append(l.night.Log, nightrecord.Line{Time: l.now(), Message: message})
}

// now is in whole milliseconds, which is what the record keeps.
func (l *nightLog) now() time.Time { return l.nights.deps.Now().UTC().Truncate(time.Millisecond) }

// progress takes a line of the child process.
func (l *nightLog) progress(ctx context.Context, p work.ProgressLine) error {
	if p.Stage == "evaluate" && l.night.State == nightrecord.Training {
		if err := l.state(ctx, nightrecord.Evaluating, ""); err != nil {
			return err
		}
	}
	l.night.Progress = &nightrecord.Progress{Phase: p.Stage, Step: p.Done, Steps: p.Total, ETA: p.Values["eta_seconds"],
		Loss: p.Values["loss"], Rate: p.Values["lr"], Time: l.now()}
	if p.Stage == "train" {
		l.point(nightrecord.CurvePoint{Step: p.Done, Loss: p.Values["loss"], Rate: p.Values["lr"], Norm: p.Values["grad_norm"], Learned: p.Values["learned"], Sparsity: p.Values["sparsity"],
			Margin: p.Values["margin"], Accuracy: p.Values["accuracy"], GoodReward: p.Values["good_reward"], BadReward: p.Values["bad_reward"], Baseline: p.Values["baseline"]})
	}
	if time.Since(l.written) < quietFor && p.Done < p.Total {
		l.show()
		return nil
	}
	return l.write(ctx, replaystore.ProgressSignal{Stage: p.Stage, Done: int64(p.Done), Total: int64(p.Total), Values: p.Values})
}

// point adds a point to the curve.
func (l *nightLog) point(p nightrecord.CurvePoint) {
	l.stride = max(1, l.stride)
	if (p.Step-1)%l.stride != 0 {
		return
	}
	l.night.Curve = append(l.night.Curve, p)
	if len(l.night.Curve) <= curvePoints {
		return
	}
	l.stride *= 2
	l.night.Curve = slices.DeleteFunc(slices.Clone(l.night.Curve), func(p nightrecord.CurvePoint) bool { return (p.Step-1)%l.stride != 0 })
}

// write stores the record and tells the others. The control stream carries hints: what it refuses is only logged.
func (l *nightLog) write(ctx context.Context, p replaystore.ProgressSignal) error {
	l.written = time.Now()
	data, err := l.night.Encode()
	if err != nil {
		return err
	}
	if err := l.nights.deps.Registry.WriteNightFile(l.night.ID, nightrecord.File, data); err != nil {
		return err
	}
	p.Night, p.Track = l.night.ID, l.night.Track
	if _, err := replaystore.Send(ctx, l.nights.deps.Store.Control(), p); err != nil && !errors.Is(err, context.Canceled) {
		l.nights.deps.Log.Warn("the progress of a night cannot be announced", "night", l.night.ID, "error", err)
	}
	l.show()
	return nil
}

// show tells whoever watches in this process.
func (l *nightLog) show() {
	if l.nights.deps.Progress != nil {
		l.nights.deps.Progress(l.night)
	}
}
