// Package gate decides whether a candidate may replace the champion. It turns the figures of an evaluation into a
// verdict: one check for each thing that must hold, with its value, its 95 % interval and its limit.
//
// It fails closed: a figure that is missing, not finite or not comparable fails its check with a sentence that says
// so. The functions are pure; the bootstrap's randomness comes from a seed. It runs nothing and publishes nothing.
// The verdict is the one of the night's record.
package gate

import (
	"fmt"
	"math"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/stats"
)

// Paired holds the scores of one set of examples under the versions that are compared.
type Paired struct {
	Name   string `json:"name"`
	Tokens []int  `json:"tokens"` // scored tokens of each example
	// People numbers the person behind each example; empty where nobody is known, and each stands for itself.
	People []int `json:"people,omitempty"`
	// Corrected marks the examples that correct an answer of the champion; empty where none does. The others approve one.
	Corrected []bool `json:"corrected,omitempty"`
	// Summed negative log-likelihood of each example in nats.
	Champion  []float64 `json:"champion"`
	Candidate []float64 `json:"candidate"`
	Reference []float64 `json:"reference,omitempty"` // the track's fixed reference; an anchor set needs it
}

// Behaviour describes the answers that a version gave to a set of prompts.
type Behaviour struct {
	Answers    int     `json:"answers"`
	Repetition float64 `json:"repetition"`  // share of answers that repeat themselves
	MeanLength float64 `json:"mean_length"` // tokens
	EndRate    float64 `json:"end_rate"`    // share of answers that ended by themselves
	NonFinite  int     `json:"non_finite"`  // answers that failed, on values that are not finite for instance
	Blocked    int     `json:"blocked"`     // answers with a blocked phrase
}

// Evaluation holds the measured figures of a candidate.
type Evaluation struct {
	Gain               Paired    `json:"gain"`   // held-out feedback
	Edited             Paired    `json:"edited"` // editors' corrections that were learned, where nothing was held out
	Pairing            Pairing   `json:"pairing"`
	Taught             Taught    `json:"taught"`
	Drift              Drift     `json:"drift"`
	Anchors            []Paired  `json:"anchors"`
	ChampionBehaviour  Behaviour `json:"champion_behaviour"`
	CandidateBehaviour Behaviour `json:"candidate_behaviour"`
}

// Evidence says what the candidate learned from.
type Evidence struct {
	Editors  int           `json:"editors"`  // new examples of editors, who answer for what they say; the other figures are without them
	Examples int           `json:"examples"` // new examples, trained on or held out, with what nearly repeats them
	Subjects int           `json:"subjects"` // distinct people behind them
	Youngest time.Duration `json:"youngest"` // age of the newest of them
	// LargestShare is the share of these examples that comes from one person.
	LargestShare float64 `json:"largest_share"`
	// ByQuestions says that what is held out words questions otherwise that were learned from, so that it measures whether other
	// wordings gain; else it is of people of whom nothing was learned, and measures whether other people do.
	ByQuestions bool `json:"by_questions,omitempty"`
}

// edited says whether editors alone are behind what was learned.
func (ev Evidence) edited() bool { return ev.Editors > 0 && ev.Examples == 0 }

// Thresholds bound the figures of a candidate. They are a section of the configuration, as are Needs: internal/config says what the tags mean.
type Thresholds struct {
	SignTest           float64 `yaml:"sign_test" min:"0" max:"1" doc:"Maximum p-value of the sign test of the gain on held-out feedback, over all nights that try to replace one champion: for the k-th\nof them it is 1/(k(k+1)) of this."`
	RetentionChampion  float64 `yaml:"retention_champion" min:"0" max:"10" doc:"Maximum loss on any anchor set against the champion, in nats per token: the upper bound of its confidence interval must not be above it."`
	RetentionReference float64 `yaml:"retention_reference" min:"0" max:"10" doc:"Maximum loss on any anchor set against the track's fixed reference, in nats per token: the upper bound of its confidence interval must not be\nabove it."`
	Drift              float64 `yaml:"drift" min:"0" max:"100" doc:"Maximum mean divergence from the champion on rehearsed examples, in nats per token. A candidate that is further away keeps three quarters of\nits change, a half, or a quarter, before it fails. 0: it is neither measured nor judged."`
	Taught             float64 `yaml:"taught" min:"0" max:"1" doc:"Minimum share of the corrections learned from that a candidate must find likelier than the answers that they correct: one whose training came\nto nothing is refused. 0: not judged, which a slow learner needs that takes several nights to follow."`
	Repetition         float64 `yaml:"repetition" min:"0" max:"1" doc:"Maximum increase of the share of answers that repeat themselves."`
	Length             float64 `yaml:"length" min:"0" max:"10" doc:"Maximum relative change of the mean length of answers."`
	EndRate            float64 `yaml:"end_of_text" min:"0" max:"1" doc:"Maximum decrease of the share of answers that end by themselves."`
	Resamples          int     `yaml:"bootstrap" min:"100" max:"1000000" doc:"Number of bootstrap resamples."`
}

// Needs are what the evidence behind a candidate must be.
type Needs struct {
	MinExamples     int           `yaml:"min_new_examples" min:"1" max:"100000000" doc:"Minimum number of new examples, learned or held out, that a night needs. Feedback of editors is not counted: one correction by an editor is\nenough for a night. nightshift night plan says what the next night waits for."`
	MaxSubjectShare float64       `yaml:"largest_share" min:"0" max:"1" doc:"Maximum share of a night's new examples that may come from one user."`
	MinSubjects     int           `yaml:"min_subjects" min:"1" max:"100000000" doc:"Minimum number of distinct users whose feedback a night needs."`
	MinAge          time.Duration `yaml:"quarantine" min:"0s" max:"8760h" doc:"Minimum age of feedback before a night uses it, so that users can take it back. Feedback of editors is used at once."`
}

// Limits are what must hold.
type Limits struct {
	Thresholds
	Needs
	Night int    // which of the nights that judge a candidate against one champion: 1, 2, …; 0 is 1
	Seed  uint64 // of the bootstrap
}

// Defaults are strict enough for production; only a visible configuration loosens them.
func Defaults() Limits {
	return Limits{Seed: 1,
		Thresholds: Thresholds{RetentionChampion: 0.03, RetentionReference: 0.05, SignTest: 0.05, Drift: 0.1, Taught: 0.75, Repetition: 0.02, Length: 0.2, EndRate: 0.05, Resamples: 2000},
		Needs:      Needs{MinExamples: 12, MinSubjects: 3, MinAge: time.Hour, MaxSubjectShare: 0.5}}
}

// Judge compares a candidate's figures with the limits.
func Judge(e Evaluation, ev Evidence, l Limits) nightrecord.Verdict {
	better := gain(e.Gain, ev.ByQuestions, l)
	if ev.edited() {
		better = edited(e.Edited, l)
	}
	checks := []nightrecord.Check{better, pairing(e.Pairing, l)}
	if l.Taught != 0 {
		checks = append(checks, taught(e.Taught, l)...)
	}
	if len(e.Anchors) == 0 {
		checks = append(checks, failed("retention", "there is no anchor set, so what would be forgotten cannot be measured; make one with nightshift anchors make, give the model an anchors.jsonl or set update.anchors"))
	}
	for _, a := range e.Anchors {
		checks = append(checks, retention(a, l)...)
	}
	if l.Drift != 0 {
		checks = append(checks, drift(e.Drift, l))
	}
	checks = append(checks, behaviour(e.ChampionBehaviour, e.CandidateBehaviour, l)...)
	checks = append(checks, evidence(ev, l)...)
	v := nightrecord.Verdict{Pass: true, Checks: checks}
	for i := range v.Checks {
		if c := &v.Checks[i]; !finite(c.Limit) {
			c.Pass, c.Limit, c.Detail = false, 0, c.Detail+"; the limit is not a number"
		}
		v.Pass = v.Pass && v.Checks[i].Pass
	}
	return v
}

// failed is a check that cannot be made.
func failed(name, detail string) nightrecord.Check {
	return nightrecord.Check{Name: name, Detail: detail}
}

// exact is a check of a figure without an interval. One that is not a number fails.
func exact(name string, value, limit float64, pass bool, detail string) nightrecord.Check {
	if !finite(value) {
		return failed(name, fmt.Sprintf("a figure is %g, which is not a number to compare: %s", value, detail))
	}
	return nightrecord.Check{Name: name, Value: value, Low: value, High: value, Limit: limit, Pass: pass, Detail: detail}
}

// fewPeople is below how many people behind the held-out feedback a gain may be one of those people alone.
const fewPeople = 3

// gain asks for a mean improvement on held-out feedback whose interval is above zero, and for more examples that
// improve than chance explains, both at the level of this night. Where some of the examples correct an answer, it is these that
// must improve: an approved answer is what the champion says anyway, and which way its score moves is chance.
//
// Held out by people, what is asked is whether others gain. What one person says is of a piece, so where people are known the interval is
// the widest of those over examples, over people, and of Student's t over people: of a few people alone, resampling them gives too narrow
// a one (Cameron, Gelbach & Miller 2008; Cameron & Miller 2015, section VI). Held out by questions, what is asked is whether other wordings
// of the same questions gain: these questions are all that is asked about, and the wordings are drawn, so the interval is over examples.
func gain(p Paired, byQuestions bool, l Limits) nightrecord.Check {
	if err := p.check(false); err != nil {
		return failed("gain", err.Error())
	}
	better := difference(p.Champion, p.Candidate)
	turned, what := p.turned(better)
	sign, limit, tail, resamples := stats.SignTest(turned), l.level(l.SignTest), l.level(gainError), l.Resamples
	if sign <= limit { // only then does it matter how far out the bound is
		resamples = max(resamples, min(maxResamples, int(math.Ceil(10/tail))))
	}
	value, low, high := stats.Ratio(better, p.Tokens, resamples, l.Seed, tail)
	held := fmt.Sprintf("%d examples", len(better))
	switch {
	case byQuestions:
		held += ", other wordings of questions that were learned: it shows that these gain, not that other people do"
	case len(p.People) > 0:
		sums, tokens := byPerson(better, p.Tokens, p.People)
		_, lowest, highest := stats.Ratio(sums, tokens, resamples, l.Seed, tail)
		low, high = min(low, lowest), max(high, highest)
		if len(sums) > 1 {
			reach := stats.RatioMargin(sums, tokens, tail)
			low, high = min(low, value-reach), max(high, value+reach)
		}
		who := fmt.Sprintf(" of %d people", len(sums))
		if len(sums) == 1 {
			who = " of one person"
		}
		if held += who; len(sums) < fewPeople {
			held += ", too few to tell whether others gain"
		}
	}
	c := nightrecord.Check{Name: "gain", Value: value, Low: low, High: high, Limit: 0, Pass: low > 0 && sign <= limit}
	c.Detail = fmt.Sprintf("held-out feedback (%s): %+.4f nats per token better, %s interval %.4f to %.4f must be above 0; sign test%s p = %.2g, limit %.2g%s",
		held, value, percent(1-2*tail), low, high, what, sign, limit, l.which())
	return c
}

// edited asks for a gain where nothing was held out, because editors alone have said something: whoever answers for a correction
// needs nobody to confirm it, and one correction leaves nothing to hold out. It compares on the corrections that were learned, which
// says that they were taken in, and nothing of other questions: for those there are retention, drift and behaviour.
func edited(p Paired, l Limits) nightrecord.Check {
	const name = "gain"
	if err := p.check(false); err != nil {
		return failed(name, err.Error())
	}
	value, low, high := stats.Ratio(difference(p.Champion, p.Candidate), p.Tokens, l.Resamples, l.Seed, side)
	return nightrecord.Check{Name: name, Value: value, Low: low, High: high, Pass: value > 0,
		Detail: fmt.Sprintf("nothing was held out, so this is measured on what was learned: the corrections of editors (%d) are %+.4f nats per token likelier than to the champion, which must be above 0", len(p.Tokens), value)}
}

// turned are the values of the examples that correct an answer, and how many these are in words; all where none does.
func (p Paired) turned(values []float64) (list []float64, what string) {
	for i, v := range values {
		if len(p.Corrected) == len(values) && p.Corrected[i] {
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		return values, ""
	}
	return list, fmt.Sprintf(" of %d corrections", len(list))
}

// retention asks that an anchor set loses no more than the limits.
func retention(p Paired, l Limits) []nightrecord.Check {
	name := "retention"
	if err := p.check(false); err != nil {
		return []nightrecord.Check{failed(name, err.Error())}
	}
	checks := []nightrecord.Check{loss(p, "the champion", p.Champion, l.RetentionChampion, l)}
	if err := p.check(true); err != nil {
		return append(checks, failed(name, err.Error()))
	}
	return append(checks, loss(p, "the fixed reference", p.Reference, l.RetentionReference, l))
}

// loss is one comparison of an anchor set.
func loss(p Paired, with string, before []float64, limit float64, l Limits) nightrecord.Check {
	value, low, high := stats.Ratio(difference(p.Candidate, before), p.Tokens, l.Resamples, l.Seed, side)
	return nightrecord.Check{Name: "retention", Value: value, Low: low, High: high, Limit: limit, Pass: high <= limit,
		Detail: fmt.Sprintf("anchor set %s (%d examples) against %s: %+.4f nats per token, upper 95 %% bound %.4f must be at most %.4f", p.Name, len(p.Tokens), with, value, high, limit)}
}

// behaviour asks that answers keep their form.
func behaviour(champion, candidate Behaviour, l Limits) []nightrecord.Check {
	const name = "behaviour"
	if champion.Answers == 0 || candidate.Answers == 0 {
		return []nightrecord.Check{failed(name, "no prompt was answered, so the form of the answers cannot be compared")}
	}
	at := func(value, limit float64, pass bool, detail string) nightrecord.Check {
		return exact(name, value, limit, pass, detail)
	}
	grown := candidate.Repetition - champion.Repetition
	shorter := champion.EndRate - candidate.EndRate
	checks := []nightrecord.Check{
		at(grown, l.Repetition, grown <= l.Repetition, fmt.Sprintf("repetitive answers: %.1f %% of %d, the champion %.1f %%", 100*candidate.Repetition, candidate.Answers, 100*champion.Repetition)),
		at(shorter, l.EndRate, shorter <= l.EndRate, fmt.Sprintf("answers that end by themselves: %.1f %%, the champion %.1f %%", 100*candidate.EndRate, 100*champion.EndRate)),
		at(float64(candidate.NonFinite+candidate.Blocked), 0, candidate.NonFinite+candidate.Blocked == 0, fmt.Sprintf("failed answers: %d; answers with a blocked phrase: %d", candidate.NonFinite, candidate.Blocked)),
	}
	if champion.MeanLength <= 0 {
		return append(checks, failed(name, "the champion's answers are empty, so their length cannot be compared"))
	}
	change := candidate.MeanLength/champion.MeanLength - 1
	return append(checks, at(change, l.Length, change <= l.Length && change >= -l.Length,
		fmt.Sprintf("mean answer length: %.1f tokens, the champion %.1f, may change by %.0f %%", candidate.MeanLength, champion.MeanLength, 100*l.Length)))
}

// evidence asks that enough people said enough, long enough ago. An editor's word is enough by itself.
func evidence(ev Evidence, l Limits) []nightrecord.Check {
	const name = "evidence"
	if ev.edited() {
		return []nightrecord.Check{exact(name, float64(ev.Editors), 1, true, fmt.Sprintf("new examples: %d, all by editors, who answer for what they say; that needs no number, no second person and no age", ev.Editors))}
	}
	at := func(value, limit float64, pass bool, detail string) nightrecord.Check {
		return exact(name, value, limit, pass, detail)
	}
	return []nightrecord.Check{
		at(float64(ev.Examples), float64(l.MinExamples), ev.Examples >= l.MinExamples && ev.Examples > 0, fmt.Sprintf("new examples: %d, at least %d", ev.Examples, l.MinExamples)),
		at(float64(ev.Subjects), float64(l.MinSubjects), ev.Subjects >= l.MinSubjects, fmt.Sprintf("people behind them: %d, at least %d", ev.Subjects, l.MinSubjects)),
		at(ev.LargestShare, l.MaxSubjectShare, ev.LargestShare <= l.MaxSubjectShare, fmt.Sprintf("share of one person: %.0f %%, at most %.0f %%", 100*ev.LargestShare, 100*l.MaxSubjectShare)),
		at(ev.Youngest.Seconds(), l.MinAge.Seconds(), ev.Youngest >= l.MinAge, fmt.Sprintf("age of the newest example: %s, at least %s", ev.Youngest.Round(time.Second), l.MinAge)),
	}
}
