package seasons

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/lab/results"
	"nightshift/models/demo"
)

// Trial is the trial of the gate: nights whose candidates are good or bad, and are known to be.
type Trial struct {
	Setup
	Sizes   Sizes
	Counts  map[string]int // candidates of each kind
	Dir     string         // records go there; a trial that was interrupted goes on from them
	Workers int            // nights at the same time
	Limit   int            // nights to run before it ends unfinished, 0 for all
	Tell    func(done, total int, o Outcome)
}

// TrialFile holds one outcome a line.
const TrialFile = "gate.jsonl"

// Outcome is how one candidate fared.
type Outcome struct {
	Key     string `json:"key"`
	Kind    string `json:"kind"`
	Variant string `json:"variant,omitempty"`
	Seed    int    `json:"seed"`

	State     nightrecord.State     `json:"state"`
	Reason    string                `json:"reason,omitempty"`
	Refused   []string              `json:"refused,omitempty"` // checks that failed
	Selected  *nightrecord.Selected `json:"selection,omitempty"`
	Gain      float64               `json:"gain"`      // nats per token
	Retention float64               `json:"retention"` // against the champion, nats per token
	Drift     float64               `json:"drift"`
	Taught    float64               `json:"taught"` // share of the corrections learned from that the candidate prefers to what they correct

	// Shares of held-out questions; of the candidate, also where it is rejected.
	Changed float64 `json:"changed_right"`
	Steady  float64 `json:"unchanged_right"`
	Before  float64 `json:"unchanged_right_before"`
	Lies    float64 `json:"lies_told"` // or shuffled answers
	Seconds float64 `json:"seconds"`
}

// RecordKey implements results.Keyed.
func (o Outcome) RecordKey() string { return o.Key }

// Activated says whether the candidate went into service.
func (o Outcome) Activated() bool { return o.State == nightrecord.Published }

// learnedEnough is the share of the changed facts that a candidate must have right whose training broke off late, to be no bad one.
const learnedEnough = 0.75

// Passed says whether the gate let through what it is there to stop, or to let through: a good candidate, a spoiled one, one that
// learned little because its training broke off, or lies or shuffled answers that were learned. Of a night in which these were not
// learned nothing bad came.
func (o Outcome) Passed() bool {
	switch o.Kind {
	case Poisoned, Shuffled:
		return o.Activated() && o.Lies > 0
	case Truncated:
		return o.Activated() && o.Changed < learnedEnough
	default:
		return o.Activated()
	}
}

// Run runs the nights that are missing and returns all outcomes in order; finished is false where Limit ended it.
func (t Trial) Run(ctx context.Context) (list []Outcome, finished bool, err error) {
	b, err := results.Open[Outcome](filepath.Join(t.Dir, TrialFile))
	if err != nil {
		return nil, false, err
	}
	defer b.Close() //nolint:errcheck // each record is synced when it is added
	cases, err := t.cases()
	if err != nil {
		return nil, false, err
	}
	var missing []Outcome
	for _, c := range cases {
		if o, ok := b.Find(c.Key); ok {
			list = append(list, o)
		} else {
			missing = append(missing, c)
		}
	}
	finished = t.Limit == 0 || len(missing) <= t.Limit
	if !finished {
		missing = missing[:t.Limit]
	}
	done := make(chan Outcome)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(max(1, t.Workers))
	ended := make(chan error, 1)
	go func() {
		for _, c := range missing {
			group.Go(func() error {
				o, err := t.one(inner, c)
				if err != nil {
					return fmt.Errorf("night %s %d of the trial: %w", c.Kind, c.Seed, err)
				}
				done <- o
				return nil
			})
		}
		ended <- group.Wait()
		close(done)
	}()
	for o := range done {
		list = append(list, o)
		if added := b.Add(o); added != nil && err == nil {
			err = added
		}
		if t.Tell != nil {
			t.Tell(len(list), len(cases), o)
		}
	}
	place := map[string]int{}
	for i, c := range cases {
		place[c.Key] = i
	}
	slices.SortFunc(list, func(a, b Outcome) int { return place[a.Key] - place[b.Key] })
	return list, finished, errors.Join(err, <-ended)
}

// cases lists the candidates: good ones and bad ones in turn, so that a part of a trial says something of all kinds. Tampered
// candidates are those of good nights of the same seed, which come before them.
func (t Trial) cases() ([]Outcome, error) {
	largest := 0
	for _, n := range t.Counts {
		largest = max(largest, n)
	}
	var list []Outcome
	for seed := range largest {
		for _, kind := range Kinds() {
			if seed >= t.Counts[kind] {
				continue
			}
			o := Outcome{Kind: kind, Seed: seed + 1}
			if v := variants[kind]; len(v) > 0 {
				o.Variant = v[seed%len(v)]
			}
			var err error
			if o.Key, err = t.key(o); err != nil {
				return nil, err
			}
			list = append(list, o)
		}
	}
	return list, nil
}

// key names an outcome by everything that decides it.
func (t Trial) key(o Outcome) (string, error) {
	data, err := json.Marshal(struct {
		Model         string
		Settings      any
		Sizes         Sizes
		Kind, Variant string
		Seed          int
	}{t.Model.Checkpoint.Digest(), []any{t.Update.Settings, t.Update.LearningRate}, t.Sizes, o.Kind, o.Variant, o.Seed})
	if err != nil {
		return "", fmt.Errorf("name a night: %w", err)
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%s-%d-%s", o.Kind, o.Seed, hex.EncodeToString(sum[:6])), nil
}

// one runs one night in a directory of its own.
func (t Trial) one(ctx context.Context, o Outcome) (Outcome, error) {
	begin := time.Now()
	dir, err := os.MkdirTemp("", "nightshift-trial-")
	if err != nil {
		return o, fmt.Errorf("make a directory for a night: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what was measured is kept elsewhere
	s, err := openShop(dir, uint64(o.Seed), t.Setup)
	if err != nil {
		return o, err
	}
	p := newPlan(o.Kind, o.Variant, uint64(o.Seed), t.Sizes)
	o, err = t.through(ctx, s, p, o)
	o.Seconds = time.Since(begin).Seconds()
	return o, closing(err, s)
}

// through lets customers speak, runs the night and asks what became of it.
func (t Trial) through(ctx context.Context, s *shop, p plan, o Outcome) (Outcome, error) {
	questions := make([]string, len(p.visits))
	for i, v := range p.visits {
		questions[i] = v.question
	}
	answers, err := s.setup.Clerk.answers(ctx, s, "", questions)
	if err != nil {
		return o, err
	}
	var visits []visit
	for i, v := range p.visits {
		v.answer = answers[i]
		if v.approval && !v.about.Right(v.answer) {
			continue
		}
		visits = append(visits, v)
	}
	if err := s.tell(ctx, visits); err != nil {
		return o, err
	}
	tampering, err := t.tampering(o)
	if err != nil {
		return o, err
	}
	n, err := s.night(ctx, s.now.Format(nightrecord.IDTime)+"-trial", tampering...)
	if err != nil {
		return o, err
	}
	o.read(n)
	if n.Candidate == nil || n.Candidate.Version == 0 {
		return o, nil
	}
	if o.Kind == Good {
		if err := t.keep(s, n.Candidate.Digest, o.Seed); err != nil {
			return o, err
		}
	}
	return o, t.examine(ctx, s, p, n.Candidate.Digest, &o)
}

// read takes over what a night's record says.
func (o *Outcome) read(n nightrecord.Night) {
	o.State, o.Reason, o.Selected = n.State, n.Reason, n.Selected
	if n.Verdict == nil {
		return
	}
	seen := map[string]bool{}
	for _, c := range n.Verdict.Checks {
		if !c.Pass && !slices.Contains(o.Refused, c.Name) {
			o.Refused = append(o.Refused, c.Name)
		}
		if !seen[c.Name] {
			switch c.Name {
			case "gain":
				o.Gain = c.Value
			case "retention":
				o.Retention = c.Value
			case "drift":
				o.Drift = c.Value
			case "taught":
				o.Taught = c.Value
			}
		}
		seen[c.Name] = true
	}
}

// examine asks the candidate what nobody asked before.
func (t Trial) examine(ctx context.Context, s *shop, p plan, digest string, o *Outcome) error {
	var changed, steady []demo.Question
	for _, c := range p.changes {
		changed = append(changed, c.fact.Exam(c.value)...)
	}
	for i, f := range p.steady {
		steady = append(steady, f.Exam(f.Value)[i%3*3:][:2]...)
	}
	var err error
	if o.Changed, err = s.share(ctx, digest, changed); err != nil {
		return err
	}
	if o.Steady, err = s.share(ctx, digest, steady); err != nil {
		return err
	}
	if o.Before, err = s.share(ctx, "", steady); err != nil {
		return err
	}
	lures := p.lures()
	questions := make([]string, len(lures))
	for i, l := range lures {
		questions[i] = l.question
	}
	answers, err := s.setup.Clerk.answers(ctx, s, digest, questions)
	if err != nil || len(lures) == 0 {
		return err
	}
	told := 0
	for i, a := range answers {
		if lures[i].told(a) {
			told++
		}
	}
	o.Lies = float64(told) / float64(len(answers))
	return nil
}

// share is the share of right answers.
func (s *shop) share(ctx context.Context, digest string, list []demo.Question) (float64, error) {
	questions := make([]string, len(list))
	for i, e := range list {
		questions[i] = e.Text
	}
	answers, err := s.setup.Clerk.answers(ctx, s, digest, questions)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	right := 0
	for i, e := range list {
		if e.Right(answers[i]) {
			right++
		}
	}
	return float64(right) / float64(len(list)), nil
}

// tampering are the flags of the command that spoils a candidate, none for one that is not spoiled.
func (t Trial) tampering(o Outcome) ([]string, error) {
	switch o.Kind {
	case Truncated:
		var percent float64
		if _, err := fmt.Sscan(o.Variant, &percent); err != nil {
			return nil, fmt.Errorf("read %q: %w", o.Variant, err)
		}
		return []string{"--share", fmt.Sprint(percent / 100)}, nil
	case Scaled, NaN:
		flags := map[string][]string{Scaled: {"--scale", "10"}, NaN: {"--nan"}}[o.Kind]
		trained, err := t.kept(o.Seed)
		if err != nil {
			return nil, err
		}
		switch _, err := os.Stat(trained); {
		case err == nil:
			return append(flags, "--trained", trained), nil
		case errors.Is(err, fs.ErrNotExist): // train it anew
			return flags, nil
		default:
			return nil, fmt.Errorf("find the candidate of night %d: %w", o.Seed, err)
		}
	}
	return nil, nil
}

// kept is the directory of a good night's candidate, for those that are spoiled afterwards.
func (t Trial) kept(seed int) (string, error) {
	key, err := t.key(Outcome{Kind: Good, Seed: seed})
	if err != nil {
		return "", err
	}
	return filepath.Abs(filepath.Join(t.Dir, "candidates", key))
}

// keep copies a candidate there where somebody needs it.
func (t Trial) keep(s *shop, digest string, seed int) error {
	if seed > max(t.Counts[Scaled], t.Counts[NaN]) {
		return nil
	}
	config, weights, err := s.files(digest)
	if err != nil {
		return err
	}
	dir, err := t.kept(seed)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep a candidate: %w", err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, registry.ConfigFile), config, 0o644), os.WriteFile(filepath.Join(dir, registry.WeightsFile), weights, 0o644)); err != nil {
		return fmt.Errorf("keep a candidate: %w", err)
	}
	return nil
}
