// Package nightrecord is the document of a night: what the updater writes to nights/<id>/record.json while it works, and
// what the server shows at /v1/nights. It is written by the learning side and read by the serving side, which do not import each
// other, and by clients.
//
// Invariants. It imports the standard library only. The JSON form is the API's. A record only grows towards its end: once its state is Final nothing changes
// any more, except that an interrupted night may be run again.
//
// It is not the night's data: selection, curve, evaluation and verdict lie in files of their own beside it.
package nightrecord

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// File is the name of the record among the files of a night.
const File = "record.json"

// State is how far a night has come.
type State string

// The states of a night, in the order in which it goes through them; the last four are final.
const (
	Queued     State = "queued"     // asked for, and another night runs or no updater has seen it
	Waiting    State = "waiting"    // until every server has shipped its journal
	Selecting  State = "selecting"  // reading the store and freezing what is learned
	Training   State = "training"   // in a process of its own
	Evaluating State = "evaluating" // champion and candidate through the serving path
	Gating     State = "gating"     // judging, and publishing
	Published  State = "published"  // the candidate serves
	Rejected   State = "rejected"   // the champion stays; the verdict or Reason says why
	Failed     State = "failed"     // Reason says why; the champion stays and the same data is tried again
	Skipped    State = "skipped"    // there was nothing to do or nothing to publish; Reason says which
)

// States lists all states in order.
func States() []State {
	return []State{Queued, Waiting, Selecting, Training, Evaluating, Gating, Published, Rejected, Failed, Skipped}
}

// Final says whether the night is over.
func (s State) Final() bool { return s == Published || s == Rejected || s == Failed || s == Skipped }

// Night is the record of one night.
type Night struct {
	ID        string       `json:"id"`
	Track     string       `json:"track"`
	State     State        `json:"state"`
	Reason    string       `json:"reason,omitempty"` // a sentence, of states that need one
	By        string       `json:"by,omitempty"`     // "schedule", "cli", or who asked over the API: the name of the key, "local" without keys
	DryRun    bool         `json:"dry_run,omitempty"`
	Started   time.Time    `json:"started,omitzero"`
	Finished  time.Time    `json:"finished,omitzero"`
	Progress  *Progress    `json:"progress,omitempty"`
	Selected  *Selected    `json:"selection,omitempty"`
	Curve     []CurvePoint `json:"curve,omitempty"` // thinned to some hundred points; curve.jsonl has all
	Trained   *Trained     `json:"training,omitempty"`
	Learned   *Learned     `json:"learned,omitempty"`
	Sparsity  *float64     `json:"sparsity,omitempty"` // share of the trained parameters that are exactly as before the night, where L1 was asked for
	Verdict   *Verdict     `json:"verdict,omitempty"`
	Candidate *Candidate   `json:"candidate"`
	Linears   []Linear     `json:"linears,omitempty"`    // that could have been adapted, where the night chose
	From      string       `json:"from,omitempty"`       // warm start that training began with, such as warm-start@3
	WarmStart *WarmStart   `json:"warm_start,omitempty"` // of a night that makes a warm start
	Log       []Line       `json:"log,omitempty"`
}

// Progress is where the present phase stands.
type Progress struct {
	Phase string    `json:"phase"` // "wait", "select", "anchors", "train", "evaluate", "gate"
	Step  int       `json:"step"`
	Steps int       `json:"steps"`         // 0 unknown
	ETA   float64   `json:"eta_seconds"`   // of the phase, 0 unknown
	Loss  float64   `json:"loss,omitzero"` // nats per token, while training
	Rate  float64   `json:"lr,omitzero"`
	Time  time.Time `json:"time,omitzero"`
}

// How a night holds out what measures the gain.
const (
	ByPeople    = "people"    // everything that some people say
	ByQuestions = "questions" // of questions that several people corrected, what some of them say
)

// Selected counts what the night works with.
type Selected struct {
	Examples    int    `json:"examples"` // all items
	New         int    `json:"new"`
	Rehearsal   int    `json:"rehearsal"`
	HeldOut     int    `json:"held_out"`
	HeldOutBy   string `json:"held_out_by,omitempty"` // ByPeople or ByQuestions
	Editors     int    `json:"by_editors,omitempty"`  // of the new examples, what editors say
	Anchors     int    `json:"anchors"`
	Subjects    int    `json:"subjects"`              // people behind the new and the held-out examples, editors not counted
	Rejected    int    `json:"rejected"`              // feedback that is not used
	Quarantined int    `json:"quarantined,omitempty"` // examples that wait for others to say the same, or for more of what others than editors say; later nights look at them again
	Waiting     int    `json:"waiting"`               // feedback left for the next night: too young, about an interaction that is still to come, or behind such
	Superseded  int    `json:"superseded"`            // older examples that newer corrections retired
}

// Trained says how long a run trained, and why no longer.
type Trained struct {
	Steps   int     `json:"steps"`
	From    int     `json:"cooldown_from"` // step after which the learning rate fell to zero
	Learned float64 `json:"learned"`       // share of the corrections that were preferred to the answers that they correct then, 0 where that was not measured
	Why     string  `json:"why"`           // one of the reasons below
}

// Reasons why the learning rate begins to fall.
const (
	EndLearned = "learned"     // enough is learned
	EndPlateau = "no progress" // nothing more is learned
	EndSteps   = "steps"       // the steps are used up
	EndTime    = "time"        // the time is used up
	EndPasses  = "passes"      // nothing is measured, and the minimum is done
)

// Sentence says the same for people.
func (t Trained) Sentence() string {
	share := fmt.Sprintf("%.0f %% of the corrections", 100*t.Learned)
	switch t.Why {
	case EndLearned:
		return fmt.Sprintf("trained %d steps, until it preferred %s to the answers that they correct", t.Steps, share)
	case EndPlateau:
		return fmt.Sprintf("trained %d steps and made no more progress; it prefers %s to the answers that they correct", t.Steps, share)
	case EndSteps:
		return fmt.Sprintf("trained %d steps, which is update.train.max_steps; it prefers %s to the answers that they correct", t.Steps, share)
	case EndTime:
		return fmt.Sprintf("trained %d steps, for as long as update.train.max_time allows; it prefers %s to the answers that they correct", t.Steps, share)
	}
	return fmt.Sprintf("trained %d steps", t.Steps)
}

// CurvePoint is one training step.
type CurvePoint struct {
	Step int     `json:"step"`
	Loss float64 `json:"loss"` // nats per weighted token
	Rate float64 `json:"lr"`
	Norm float64 `json:"grad_norm"`

	Learned  float64 `json:"learned,omitzero"`  // share of the corrections that are preferred to the answers that they correct, where it was measured
	Sparsity float64 `json:"sparsity,omitzero"` // share of the parameters that are exactly as before the night, with L1

	// Of preferences and ratings that the step drew; Learned says what they are.
	Margin     float64 `json:"margin,omitzero"`
	Accuracy   float64 `json:"accuracy,omitzero"`
	GoodReward float64 `json:"good_reward,omitzero"`
	BadReward  float64 `json:"bad_reward,omitzero"`
	Baseline   float64 `json:"baseline,omitzero"` // of KTO
}

// Learned says what a night learned of preferences and ratings, whose objective is not imitation alone. Rewards are log-probabilities
// of whole answers less those under the champion, in nats, so that at the champion they are 0; they are means over what was learned from.
type Learned struct {
	Objective   string         `json:"objective"` // "dpo", "kto" or "apo"
	Imitated    int            `json:"imitated"`  // new examples that were imitated
	Preferences int            `json:"preferences"`
	LeftOut     int            `json:"left_out,omitempty"` // corrections that make no pair
	Margin      float64        `json:"margin"`             // reward of corrections less that of the answers that were corrected
	Accuracy    float64        `json:"accuracy"`           // share of the pairs where that is above 0
	Good        int            `json:"good"`
	Bad         int            `json:"bad"`
	GoodReward  float64        `json:"good_reward"`
	BadReward   float64        `json:"bad_reward"`
	Recorded    int            `json:"recorded"`          // answers whose log-probabilities under the champion were taken as the server recorded them
	Computed    int            `json:"computed"`          // others
	Apart       float64        `json:"apart,omitempty"`   // largest difference of the recorded ones that were checked, in nats per token
	Reasons     map[string]int `json:"reasons,omitempty"` // why answers that were served are not taken as recorded
}

// WarmStart says what a warm start is made of, and how it does on answers of the same tracks that it has not seen: losses in nats per
// token, the mean of the tracks, on questions about them after some steps of learning others about them.
type WarmStart struct {
	Tracks  []string  `json:"tracks"`
	Rounds  int       `json:"rounds"`
	Asked   int       `json:"asked"`   // questions
	Steps   []int     `json:"steps"`   // after which they were asked
	Zero    []float64 `json:"zero"`    // from an adapter that changes nothing
	Reached []float64 `json:"reached"` // from the warm start
}

// Helps says whether what began with the warm start knows more in the end.
func (w WarmStart) Helps() bool {
	last := len(w.Steps) - 1
	return last >= 0 && w.Reached[last] < w.Zero[last]
}

// Sentence says how a warm start does, "" for none.
func (w *WarmStart) Sentence() string {
	if w == nil || len(w.Steps) == 0 {
		return ""
	}
	text := fmt.Sprintf("of %d tracks in %d rounds; %d questions about answers that it has not seen, in nats per token:", len(w.Tracks), w.Rounds, w.Asked)
	for k, n := range w.Steps {
		text += fmt.Sprintf(" after %d steps %s, without it %s;", n, figure(w.Reached[k]), figure(w.Zero[k]))
	}
	return strings.TrimSuffix(text, ";")
}

// Verdict is the gate's answer; verdict.json holds it alone.
type Verdict struct {
	Pass   bool    `json:"pass"`
	Checks []Check `json:"checks"`
}

// Check is one thing that must hold.
type Check struct {
	Name   string  `json:"name"` // gain, pairing, taught, retention, drift, behaviour or evidence
	Pass   bool    `json:"pass"`
	Value  float64 `json:"value"`
	Low    float64 `json:"low"` // 95 % interval of Value, wider where Detail says so; equal to it where there is none
	High   float64 `json:"high"`
	Limit  float64 `json:"limit"`
	Detail string  `json:"detail"`
}

// Candidate is the version that the night made.
type Candidate struct {
	Version int    `json:"version"` // in its track, 0 when it was not stored
	Digest  string `json:"digest"`
	// Scale is how much of the change that was trained is in it: 0 and 1 are all, less was kept where the rest led too far away.
	Scale float64 `json:"scale,omitempty"`
}

// Linear is a linear layer that could be adapted, and how much of what the new examples ask for lies in it.
type Linear struct {
	Layer      int     `json:"layer"`
	Module     string  `json:"module"`
	Parameters int     `json:"parameters"` // that adapting it takes
	Share      float64 `json:"share"`      // of the squared gradients of all
	Chosen     bool    `json:"chosen"`
}

// Line is one line of the night's log.
type Line struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

// IDTime is the layout of the time that an id begins with: ids sort by when their nights were asked for.
const IDTime = "20060102-150405"

// NewID makes the id of a night asked for at t: YYYYMMDD-HHMMSS-xxxxxxxxxx in UTC, the last part random: a night whose id
// is taken is not run.
func NewID(t time.Time) string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return t.UTC().Format(IDTime) + "-" + hex.EncodeToString(b[:])
}

// ScheduledID makes the id of the night of a track that is due at t: YYYYMMDD-HHMMSS-schedule-track in UTC. Whoever follows the
// same schedule makes the same id, so that the night is created once.
func ScheduledID(t time.Time, track string) string {
	return t.UTC().Format(IDTime) + "-schedule-" + track
}

// Encode returns the document.
func (n Night) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(n, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode night %s: %w", n.ID, err)
	}
	return append(data, '\n'), nil
}

// Decode reads a document.
func Decode(data []byte) (Night, error) {
	var n Night
	if err := json.Unmarshal(data, &n); err != nil {
		return n, fmt.Errorf("decode night: %w", err)
	}
	return n, nil
}
