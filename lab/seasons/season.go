package seasons

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/lab/results"
	"nightshift/models/demo"
)

// Season is night after night over one shop whose facts change.
type Season struct {
	Setup
	Climate
	Nights int
	Seed   uint64
	Dir    string // store, registry and records; a season that was interrupted goes on from them
	Limit  int    // nights to run before it ends unfinished, 0 for all
	Tell   func(Entry)
}

// Climate says what happens on the days of a season.
type Climate struct {
	Every    int     `json:"every"`    // days between two changes
	Facts    int     `json:"facts"`    // that change each time, of the half that may
	Crowd    int     `json:"crowd"`    // people who come at all
	People   int     `json:"people"`   // of them on one day
	Visits   int     `json:"visits"`   // questions of each on a day
	News     float64 `json:"news"`     // share of questions about what changed last
	Approves float64 `json:"approves"` // share of right answers that get a thumb up
	Wrong    float64 `json:"wrong"`    // share of feedback that is wrong
	Late     float64 `json:"late"`     // share of feedback that comes one to three days later
}

// DefaultClimate is that of a shop of some hundred answers a day.
func DefaultClimate() Climate {
	return Climate{Every: 3, Facts: 4, Crowd: 90, People: 60, Visits: 3, News: 0.6, Approves: 0.4, Wrong: 0.1, Late: 0.15}
}

// SeasonFile holds one night a line.
const SeasonFile = "nights.jsonl"

// Entry is what is recorded of one night of a season. Shares are of questions that no customer asks.
type Entry struct {
	Key      string                `json:"key"`
	Seed     uint64                `json:"seed"`
	Night    int                   `json:"night"` // counted from 1; 0 is before the first
	Changed  []string              `json:"changed,omitempty"`
	Feedback int                   `json:"feedback"`
	State    nightrecord.State     `json:"state,omitempty"`
	Reason   string                `json:"reason,omitempty"`
	Refused  []string              `json:"refused,omitempty"`
	Selected *nightrecord.Selected `json:"selection,omitempty"`

	Retention      float64 `json:"anchor_nll"`           // against the champion, nats per token
	RetentionBound float64 `json:"anchor_nll_bound"`     // its upper 95 % bound
	Reference      float64 `json:"anchor_nll_reference"` // against the fixed reference
	ReferenceBound float64 `json:"anchor_nll_reference_bound"`
	Drift          float64 `json:"drift"`

	New      float64  `json:"changed_right"`   // of the facts that changed last, asked after the night
	Moved    float64  `json:"moved_right"`     // of all facts that ever changed
	Steady   float64  `json:"unchanged_right"` // of the facts that never change
	Lost     []string `json:"lost,omitempty"`  // unchanged facts to some of whose questions the answer is wrong
	Champion string   `json:"champion"`        // digest after the night
	Seconds  float64  `json:"seconds"`
}

// RecordKey implements results.Keyed.
func (n Entry) RecordKey() string { return n.Key }

// Activated says whether the night's candidate went into service.
func (n Entry) Activated() bool { return n.State == nightrecord.Published }

// Run runs the nights that are missing and returns all, night 0 first; finished is false where Limit ended the season.
func (s Season) Run(ctx context.Context) (list []Entry, finished bool, err error) {
	b, err := results.Open[Entry](filepath.Join(s.Dir, SeasonFile))
	if err != nil {
		return nil, false, err
	}
	defer b.Close() //nolint:errcheck // each record is synced when it is added
	name, err := s.name()
	if err != nil {
		return nil, false, err
	}
	shop, err := openShop(filepath.Join(s.Dir, name), s.Seed, s.Setup)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = closing(err, shop) }()
	y := newYear(s.Seed, s.Nights, s.Climate)
	ran := 0
	champion := ""
	for night := range s.Nights + 1 {
		key := fmt.Sprintf("%s-%d", name, night)
		n, ok := b.Find(key)
		if ok && night > 0 { // what its customers say late is told in nights to come
			if _, err := s.day(ctx, shop, y, champion, night); err != nil {
				return list, false, err
			}
		}
		if !ok {
			if s.Limit > 0 && ran >= s.Limit {
				return list, false, nil
			}
			n = Entry{Key: key, Seed: s.Seed, Night: night}
			begin := time.Now()
			if err := s.one(ctx, shop, y, champion, &n); err != nil {
				return list, false, fmt.Errorf("night %d of the season: %w", night, err)
			}
			n.Seconds = time.Since(begin).Seconds()
			if err := b.Add(n); err != nil {
				return list, false, err
			}
			ran++
		}
		champion = n.Champion
		list = append(list, n)
		if s.Tell != nil {
			s.Tell(n)
		}
	}
	return list, true, nil
}

// name is a season's by everything that decides it.
func (s Season) name() (string, error) {
	data, err := json.Marshal(struct {
		Model    string
		Settings any
		Climate  Climate
		Nights   int
	}{s.Model.Checkpoint.Digest(), []any{s.Update.Settings, s.Update.LearningRate}, s.Climate, s.Nights})
	if err != nil {
		return "", fmt.Errorf("name a season: %w", err)
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("season-%d-%s", s.Seed, hex.EncodeToString(sum[:6])), nil
}

// one lives through a day and its night, and asks what is known afterwards. What was stored already by a run that was interrupted
// in this night stays as it is: people say the same again to the same champion.
func (s Season) one(ctx context.Context, shop *shop, y *year, champion string, n *Entry) error {
	if n.Night > 0 {
		for _, c := range y.changes[n.Night] {
			n.Changed = append(n.Changed, c.fact.ID)
		}
		shop.now = opening.AddDate(0, 0, n.Night)
		said, err := s.day(ctx, shop, y, champion, n.Night)
		if err != nil {
			return err
		}
		n.Feedback = len(said)
		if err := shop.tell(ctx, said); err != nil {
			return err
		}
		record, err := shop.night(ctx, shop.now.Format(nightrecord.IDTime)+"-season")
		if err != nil {
			return err
		}
		n.read(record)
		if n.Champion, err = shop.champion(); err != nil {
			return err
		}
	}
	return s.examine(ctx, shop, y, n)
}

// day lets customers ask the champion, and returns what is said that day, about answers of that day or of earlier ones.
func (s Season) day(ctx context.Context, shop *shop, y *year, champion string, day int) ([]visit, error) {
	asked := y.day(day)
	questions := make([]string, len(asked))
	for i, q := range asked {
		questions[i] = q.visit.question
	}
	answers, err := s.Clerk.answers(ctx, shop, champion, questions)
	if err != nil {
		return nil, err
	}
	for i, q := range asked {
		q.visit.answer, q.visit.version = answers[i], champion
		if v, ok := q.judge(q.visit); ok {
			y.told[day+q.late] = append(y.told[day+q.late], v)
		}
	}
	today := y.told[day]
	slices.SortStableFunc(today, func(a, b visit) int { return a.told.Compare(b.told) })
	return today, nil
}

// read takes over what the night's record says.
func (n *Entry) read(r nightrecord.Night) {
	n.State, n.Reason, n.Selected = r.State, r.Reason, r.Selected
	if r.Verdict == nil {
		return
	}
	retentions := 0
	for _, c := range r.Verdict.Checks {
		if !c.Pass && !slices.Contains(n.Refused, c.Name) {
			n.Refused = append(n.Refused, c.Name)
		}
		switch {
		case c.Name == "drift":
			n.Drift = c.Value
		case c.Name != "retention":
		case retentions == 0:
			n.Retention, n.RetentionBound = c.Value, c.High
			retentions++
		default:
			n.Reference, n.ReferenceBound = c.Value, c.High
		}
	}
}

// examine asks the champion about what changed last, about all that ever changed and about what never does.
func (s Season) examine(ctx context.Context, shop *shop, y *year, n *Entry) error {
	var fresh, moved, steady []demo.Question
	for _, c := range y.last(n.Night) {
		fresh = append(fresh, c.fact.Exam(c.value)...)
	}
	for _, f := range y.moving {
		if value := y.value(f, n.Night); value != f.Value || y.everChanged(f, n.Night) {
			moved = append(moved, f.Exam(value)...)
		}
	}
	for _, f := range y.steady {
		steady = append(steady, f.Exam(f.Value)...)
	}
	var errs [3]error
	n.New, errs[0] = shop.share(ctx, n.Champion, fresh)
	n.Moved, errs[1] = shop.share(ctx, n.Champion, moved)
	n.Steady, errs[2] = shop.share(ctx, n.Champion, steady)
	for _, f := range y.steady {
		right, err := shop.share(ctx, n.Champion, f.Exam(f.Value))
		if err != nil {
			return err
		}
		if right < 1 {
			n.Lost = append(n.Lost, fmt.Sprintf("%s %.0f %%", f.ID, 100*right))
		}
	}
	return errors.Join(errs[:]...)
}

// year is what is true on each day, and who asks what.
type year struct {
	climate Climate
	seed    uint64
	moving  []demo.Fact
	steady  []demo.Fact
	changes [][]change // of each day, counted from 1
	told    map[int][]visit
}

// newYear draws when which facts change to what: half of the facts may, one after another in turn.
func newYear(seed uint64, nights int, c Climate) *year {
	r := rand.New(rand.NewPCG(seed, 0x79656172)) //nolint:gosec // reproducible, not secret
	facts := demo.Facts()
	r.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	y := &year{climate: c, seed: seed, moving: facts[:len(facts)/2], steady: facts[len(facts)/2:], changes: make([][]change, nights+1), told: map[int][]visit{}}
	turn := 0
	for day := 1; day <= nights; day += c.Every {
		for range min(c.Facts, len(y.moving)) {
			f := y.moving[turn%len(y.moving)]
			turn++
			now := y.value(f, day)
			others := slices.DeleteFunc(append([]string{f.Value}, f.Rivals...), func(v string) bool { return v == now })
			y.changes[day] = append(y.changes[day], change{f, pick(r, others)})
		}
	}
	return y
}

// value is what is true of a fact on a day.
func (y *year) value(f demo.Fact, day int) string {
	for d := min(day, len(y.changes)-1); d > 0; d-- {
		for _, c := range y.changes[d] {
			if c.fact.ID == f.ID {
				return c.value
			}
		}
	}
	return f.Value
}

// everChanged says whether a fact changed up to a day.
func (y *year) everChanged(f demo.Fact, day int) bool {
	for _, list := range y.changes[:day+1] {
		if slices.ContainsFunc(list, func(c change) bool { return c.fact.ID == f.ID }) {
			return true
		}
	}
	return false
}

// last is what changed last, up to a day.
func (y *year) last(day int) []change {
	for d := day; d > 0; d-- {
		if len(y.changes[d]) > 0 {
			return y.changes[d]
		}
	}
	return nil
}

// asked is one question of a day, with all that was drawn about what follows.
type asked struct {
	visit    visit
	truth    string // when it was asked
	sentence string // that says the truth
	lie      string // a sentence that does not
	approves bool
	wrong    bool
	late     int // days until the feedback comes
}

// day draws who asks what.
func (y *year) day(day int) []asked {
	r := rand.New(rand.NewPCG(y.seed, uint64(day)<<32|0x646179)) //nolint:gosec // reproducible, not secret
	var list []asked
	news := y.last(day)
	crowd := r.Perm(y.climate.Crowd)[:min(y.climate.People, y.climate.Crowd)]
	facts := demo.Facts()
	step := 10 * time.Hour / time.Duration(len(crowd)*y.climate.Visits)
	for turn := range y.climate.Visits {
		for i, person := range crowd {
			f := pick(r, facts)
			if len(news) > 0 && r.Float64() < y.climate.News {
				f = pick(r, news).fact
			}
			q := asked{truth: y.value(f, day), approves: r.Float64() < y.climate.Approves, wrong: r.Float64() < y.climate.Wrong}
			if r.Float64() < y.climate.Late {
				q.late = 1 + r.IntN(3)
			}
			q.sentence = pick(r, f.Answers(q.truth))
			others := slices.DeleteFunc(append([]string{f.Value}, f.Rivals...), func(v string) bool { return v == q.truth })
			q.lie = pick(r, f.Answers(pick(r, others)))
			n := turn*len(crowd) + i
			at := opening.AddDate(0, 0, day).Add(-16*time.Hour + time.Duration(n)*step)
			q.visit = visit{id: fmt.Sprintf("visit-%03d-%05d", day, n), person: fmt.Sprintf("customer-%03d", person), about: f,
				question: pick(r, f.Questions(demo.Correction)), at: at, told: at.AddDate(0, 0, q.late).Add(time.Minute)}
			list = append(list, q)
		}
	}
	return list
}

// judge is what the person says of the answer; ok is false where they say nothing. Who says something wrong corrects a right answer,
// or approves a wrong one.
func (q asked) judge(v visit) (out visit, ok bool) {
	right := v.about.RightFor(v.answer, q.truth)
	switch {
	case right && q.wrong:
		v.correction = q.lie
	case right && !q.approves:
		return v, false
	case right || q.wrong:
		v.approval = true
	default:
		v.correction = q.sentence
	}
	return v, true
}
