package continual

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"nightshift/lab/results"
	"nightshift/update/train"
)

// WarmStart measures how many steps a warm start saves a new track. Tracks of all domains learn facts of one use, each with values of
// its own, as tenants have who answer the same questions differently, and a warm start is made of them by train.MetaLearn, as a
// night makes it. Then a new track of each domain learns facts of another use, so subjects whose attribute no track
// had, once from the warm start and once from an adapter that changes nothing, with the same batches. Each number of
// steps is a run of its own, with its whole schedule. For one domain a seed there is besides a warm start that no track of
// the domain gave to.
type WarmStart struct {
	Model   *Model  `json:"-"`
	Digest  string  `json:"model"`
	Budget  Budget  `json:"budget"` // its steps are not used
	Sizes   Sizes   `json:"sizes"`
	Tenants int     `json:"tenants"`     // tracks of a domain that give to the warm start
	Rounds  int     `json:"rounds"`      // see train.Meta
	Each    int     `json:"round_steps"` // of a track in a round
	Share   float64 `json:"share"`
	Tracks  int     `json:"round_tracks"`
	Steps   []int   `json:"steps"` // of a new track, rising; 0 is before it learns
	N       int     `json:"-"`     // of Steps: the number that the one figure is about
	Seeds   int     `json:"-"`
	Tuning  bool    `json:"tuning,omitempty"` // measure with the facts and phrasings by which rounds, steps and share were chosen
	Workers int     `json:"-"`                // no figure depends on it

	Report func(done, total int, r WarmStartRecord) `json:"-"`
}

// DefaultWarmStart is what is measured, with the settings that nights have.
func DefaultWarmStart() WarmStart {
	return WarmStart{Budget: DefaultBudget(), Sizes: Sizes{Train: 16, Exam: 3}, Tenants: 4, Rounds: 25, Each: 60, Share: 1, Tracks: 2,
		Steps: []int{0, 4, 6, 8, 10, 15, 20, 30, 40, 60}, N: 20, Seeds: 3, Workers: 2}
}

// WarmStartRecord is what one warm start does for new tracks.
type WarmStartRecord struct {
	Key    string           `json:"key"`
	Seed   int              `json:"seed"`
	Apart  string           `json:"apart,omitempty"` // domain that gave nothing to it
	Curves []WarmStartCurve `json:"curves"`          // one a domain; of Apart alone
}

// RecordKey implements results.Keyed.
func (r WarmStartRecord) RecordKey() string { return r.Key }

// WarmStartCurve is a new track's share of exact answers after each number of steps.
type WarmStartCurve struct {
	Domain    string    `json:"domain"`
	Zero      []float64 `json:"zero"`
	WarmStart []float64 `json:"warm_start"`
}

// warmStartFile holds the records, one a line.
const warmStartFile = "warm-start.jsonl"

// Run measures what the file of records in dir does not have yet, and returns all records in a fixed order.
func (o WarmStart) Run(ctx context.Context, dir string) ([]WarmStartRecord, error) {
	if o.Seeds < 1 || o.Workers < 1 || o.Tenants < 1 || len(o.Steps) == 0 || !slices.IsSorted(o.Steps) {
		return nil, fmt.Errorf("measure warm starts with %d seeds, %d workers, %d tenants and steps %v: there must be some of each, the steps rising", o.Seeds, o.Workers, o.Tenants, o.Steps)
	}
	if !slices.Contains(o.Steps, o.N) {
		return nil, fmt.Errorf("measure warm starts at %d steps, which are none of %v", o.N, o.Steps)
	}
	o.Digest = o.Model.Digest
	kept, err := results.Open[WarmStartRecord](filepath.Join(dir, warmStartFile))
	if err != nil {
		return nil, err
	}
	defer kept.Close() //nolint:errcheck // each record is synced when it is added
	records := make([]WarmStartRecord, 0, 2*o.Seeds)
	for _, all := range []bool{true, false} {
		for seed := range o.Seeds {
			apart := ""
			if !all {
				apart = Domains()[2*seed%len(Domains())].Name
			}
			key, err := o.key(seed, apart)
			if err != nil {
				return nil, err
			}
			records = append(records, WarmStartRecord{Key: key, Seed: seed, Apart: apart})
		}
	}
	var mu sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.Workers)
	for i := range records {
		group.Go(func() error {
			r, found := kept.Find(records[i].Key)
			if !found {
				var err error
				if r, err = o.one(ctx, records[i]); err != nil {
					return fmt.Errorf("measure the warm start of seed %d: %w", records[i].Seed+1, err)
				}
				if err := kept.Add(r); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			records[i] = r
			done++
			if o.Report != nil {
				o.Report(done, len(records), r)
			}
			return nil
		})
	}
	return records, group.Wait()
}

// key names a record by everything that decides its figures.
func (o WarmStart) key(seed int, apart string) (string, error) {
	data, err := json.Marshal(struct {
		Options WarmStart
		Seed    int
		Apart   string
	}{o, seed, apart})
	if err != nil {
		return "", fmt.Errorf("name a run: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8]), nil
}

// one makes a warm start and has new tracks learn.
func (o WarmStart) one(ctx context.Context, r WarmStartRecord) (WarmStartRecord, error) {
	l, err := newLearner(o.Model, o.Budget)
	if err != nil {
		return r, err
	}
	defer l.close()
	given, taken, split := Tune, Final, Test
	if o.Tuning {
		given, taken, split = Form, Tune, Validation
	}
	seed := uint64(r.Seed + 1) //nolint:gosec // a small number
	var tracks [][]train.Sequence
	for _, d := range Domains() {
		for tenant := range o.Tenants {
			values := 1000*seed + uint64(tenant) //nolint:gosec // a small number
			if d.Name != r.Apart {
				tracks = append(tracks, o.Model.Sequences(shuffled(d.Items(d.Facts(given, values), Train, o.Sizes.Train, values), values)))
			}
		}
	}
	zero, err := l.start(seed)
	if err != nil {
		return r, err
	}
	options := l.options(seed)
	options.Steps = o.Each
	copy(l.session.Parameters(), zero)
	meta := train.Meta{Rounds: o.Rounds, Share: o.Share, Tracks: o.Tracks}
	if err := train.MetaLearn(ctx, l.session, tracks, options, meta, func(train.Step) error { return nil }); err != nil {
		return r, err
	}
	warmStart := slices.Clone(l.session.Parameters())
	for _, d := range Domains() {
		if r.Apart != "" && r.Apart != d.Name {
			continue
		}
		facts := d.Facts(taken, seed)
		learn, exam := o.Model.Sequences(shuffled(d.Items(facts, Train, o.Sizes.Train, seed), seed)), o.Model.Sequences(d.Items(facts, split, o.Sizes.Exam, seed))
		c := WarmStartCurve{Domain: d.Name}
		for _, steps := range o.Steps {
			a, errA := o.learned(ctx, l, zero, learn, exam, steps, seed)
			b, errB := o.learned(ctx, l, warmStart, learn, exam, steps, seed)
			if err := errors.Join(errA, errB); err != nil {
				return r, err
			}
			c.Zero, c.WarmStart = append(c.Zero, a), append(c.WarmStart, b)
		}
		r.Curves = append(r.Curves, c)
	}
	return r, nil
}

// learned is the share of exact answers after so many steps of learning from params.
func (o WarmStart) learned(ctx context.Context, l *learner, params []float32, learn, exam []train.Sequence, steps int, seed uint64) (float64, error) {
	copy(l.session.Parameters(), params)
	if steps > 0 {
		options := l.options(seed)
		options.Steps = steps
		if err := train.Fit(ctx, l.session, train.Shuffled(learn), options, func(train.Step) error { return nil }); err != nil {
			return 0, err
		}
	}
	score, err := l.exam(l.session.Parameters(), exam)
	return score.Exact, err
}
