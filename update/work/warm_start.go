package work

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nightshift/internal/config"
	"nightshift/internal/nightrecord"
	"nightshift/onnx/graphs"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// WarmStart says how a warm start is made, see train.MetaLearn. The learning rate and the batches are those of a night.
type WarmStart struct {
	Rounds int     `yaml:"rounds" json:"rounds" min:"1" max:"100000" doc:"Number of rounds in which a warm start is made; each learns two tracks and goes part of the way towards what they reach (Reptile).\nIt takes 2·rounds·steps optimizer steps, and at most 12·steps more to measure it, and has a night's deadline."`
	Steps  int     `yaml:"steps" json:"steps" min:"1" max:"100000" doc:"Number of steps in which a round learns one track. Before a warm start is activated it is tested that tracks which begin with it know\nmore after as many steps, of answers that it has not seen."`
	Share  float64 `yaml:"share" json:"share" min:"0.001" max:"1" doc:"Share of the way towards what the tracks reach that the first round goes; later rounds go less."`
}

// roundTracks is how many tracks a round takes at most, and askedTracks by how many the warm start is measured.
const (
	roundTracks = 2
	askedTracks = 4
)

// pupil is a track of a warm start.
type pupil struct {
	learned  []train.Sequence // what the warm start is made of
	adapting []train.Sequence // of answers that it has not seen, to measure it: a track learns these
	asked    []train.Sequence // and is asked these
}

// warmStart makes a warm start, measures how much faster tracks learn from it what it has not seen, and writes it as a candidate.
// Scored through the serving path is only what a version's self-tests need.
func (w *worker) warmStart(ctx context.Context, items []selection.Item, digest string) error {
	if err := config.Check("warm_start", w.job.WarmStart); err != nil {
		return err
	}
	names, pupils, err := w.pupils(items)
	if err != nil {
		return err
	}
	trainable, err := w.trainable()
	if err != nil {
		return err
	}
	zero, err := w.start(trainable)
	if err != nil {
		return err
	}
	s, err := train.NewSession(w.base(), trainable, w.job.Threads)
	if err != nil {
		return err
	}
	params, report, err := w.metaLearn(ctx, s, trainable, zero, pupils)
	s.Close()
	if err != nil {
		return err
	}
	report.Tracks = names
	candidate := toAdapter(w.config(), w.model.Config, trainable, params)
	if err := candidate.Write(filepath.Join(w.dir, CandidateDir)); err != nil {
		return err
	}
	anchors := slices.DeleteFunc(items, func(it selection.Item) bool { return it.Use != selection.Anchor })
	return w.evaluate(ctx, anchors, candidate, Evaluation{DataDigest: digest, WarmStart: &report})
}

// pupils sorts the items by track. Of the held-out examples with one answer, every second one is asked and the others are learned
// before that.
func (w *worker) pupils(items []selection.Item) (names []string, list []pupil, err error) {
	said := map[string]int{}
	for _, it := range items {
		if it.Use != selection.New && it.Use != selection.HeldOut {
			continue
		}
		at := slices.Index(names, it.Track)
		if at < 0 {
			at = len(names)
			names, list = append(names, it.Track), append(list, pupil{})
		}
		q, err := w.sequence(it)
		if err != nil {
			return nil, nil, err
		}
		p, key := &list[at], it.Track+"\x00"+it.Completion
		switch {
		case it.Use == selection.New:
			p.learned = append(p.learned, q)
			continue
		case said[key]%2 == 0:
			p.adapting = append(p.adapting, q)
		default:
			p.asked = append(p.asked, q)
		}
		said[key]++
	}
	for at, p := range list {
		if len(p.learned) == 0 {
			return nil, nil, fmt.Errorf("make warm start: the selection has nothing that track %s learns", names[at])
		}
	}
	return names, list, nil
}

// metaLearn makes the parameters of the warm start from an adapter that changes nothing, and measures both.
func (w *worker) metaLearn(ctx context.Context, s *train.Session, trainable graphs.Trainable, zero []float32, pupils []pupil) ([]float32, nightrecord.WarmStart, error) {
	t, set := w.job.Train, w.job.WarmStart
	report := nightrecord.WarmStart{Rounds: set.Rounds, Steps: []int{0, set.Steps / 2, set.Steps}}
	options := train.Options{Rate: t.Rate, Warmup: t.Warmup, Decay: t.Decay, Clip: t.Clip, Rows: t.Rows, Columns: t.Columns, Micro: t.Micro, Steps: set.Steps, Seed: w.job.Seed}
	tracks := make([][]train.Sequence, len(pupils))
	for i, p := range pupils {
		tracks[i] = p.learned
	}
	copy(s.Parameters(), zero)
	if err := w.rounds(ctx, s, tracks, options); err != nil {
		return nil, report, err
	}
	params := slices.Clone(s.Parameters())
	pupils = slices.DeleteFunc(slices.Clone(pupils), func(p pupil) bool { return len(p.asked) == 0 })
	some := make([]pupil, min(len(pupils), askedTracks))
	for i := range some {
		some[i] = pupils[i*len(pupils)/len(some)]
		report.Asked += len(some[i].asked)
	}
	scorer, err := train.NewScorer(w.base(), trainable, 1, t.Rows, t.Columns, w.job.Threads)
	if err != nil {
		return nil, report, err
	}
	defer scorer.Close()
	for _, from := range []struct {
		params []float32
		into   *[]float64
	}{{zero, &report.Zero}, {params, &report.Reached}} {
		for _, steps := range report.Steps {
			options.Steps = steps
			loss, err := adapted(ctx, s, scorer, from.params, some, options)
			if err != nil {
				return nil, report, err
			}
			*from.into = append(*from.into, loss)
		}
	}
	return params, report, nil
}

// rounds runs the outer steps and writes the curve, a point a round.
func (w *worker) rounds(ctx context.Context, s *train.Session, tracks [][]train.Sequence, options train.Options) error {
	curve, err := os.Create(filepath.Join(w.dir, CurveFile))
	if err != nil {
		return err
	}
	defer curve.Close() //nolint:errcheck // closed with its error below
	points, begin := json.NewEncoder(curve), time.Now()
	meta := train.Meta{Rounds: w.job.WarmStart.Rounds, Share: w.job.WarmStart.Share, Tracks: roundTracks}
	err = train.MetaLearn(ctx, s, tracks, options, meta, func(p train.Step) error {
		if err := points.Encode(p); err != nil {
			return err
		}
		left := time.Since(begin) / time.Duration(p.Step) * time.Duration(p.Steps-p.Step)
		return w.lines.Encode(ProgressLine{Stage: "train", Done: p.Step, Total: p.Steps, Values: map[string]float64{"loss": p.Loss, "lr": p.Rate, "grad_norm": p.Norm, "eta_seconds": left.Seconds()}})
	})
	if err != nil {
		return fmt.Errorf("make warm start: %w", err)
	}
	return curve.Close()
}

// adapted is the mean loss of tracks, in nats per token, on what they are asked after so many steps of learning from params.
func adapted(ctx context.Context, s *train.Session, scorer *train.Scorer, params []float32, pupils []pupil, options train.Options) (float64, error) {
	mean := 0.0
	for _, p := range pupils {
		copy(s.Parameters(), params)
		if options.Steps > 0 {
			if err := train.Fit(ctx, s, train.Shuffled(p.adapting), options, func(train.Step) error { return nil }); err != nil {
				return 0, fmt.Errorf("measure warm start: %w", err)
			}
		}
		scores, err := scorer.LogProbs(s.Parameters(), p.asked)
		if err != nil {
			return 0, fmt.Errorf("measure warm start: %w", err)
		}
		loss, tokens := 0.0, 0
		for _, list := range scores {
			for _, l := range list {
				loss -= float64(l)
			}
			tokens += len(list)
		}
		mean += loss / math.Max(1, float64(tokens)) / float64(len(pupils))
	}
	return mean, nil
}
