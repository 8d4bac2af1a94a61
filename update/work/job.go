// Package work does the heavy part of a night in a process of its own: it reads a frozen selection, trains a candidate
// adapter from the champion, and scores both through the serving path. Everything goes in and out as files of one
// directory, so the process can be niced, killed at any moment and run again: the same files give the same candidate.
//
// It knows no store and no registry, judges nothing and publishes nothing.
package work

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/update/train/method"
)

// Names of the files of a work directory.
const (
	JobFile        = "work.json"
	SelectionFile  = nightrecord.SelectionFile
	CurveFile      = "curve.jsonl"
	EvaluationFile = "evaluation.json"
	CandidateDir   = "candidate"

	// ImportancesFile is what a run whose methods carry importances leaves behind for the next one; train.Importances has the format.
	ImportancesFile = "importances.safetensors"
)

// Job says what to train and from what. It is stored with the night: a replay reads it again.
type Job struct {
	ModelDir    string     `json:"model_dir"`
	ModelDigest string     `json:"model_digest,omitempty"` // of the model that must be in ModelDir, see checkpoint.Checkpoint; "" takes any
	CacheDir    string     `json:"cache_dir"`
	Weights     string     `json:"weights,omitempty"` // format in which versions are scored, as they are served: f32, also where empty, int8 or int4
	Threads     int        `json:"threads"`           // inside one operator; part of what makes a run reproducible
	Track       string     `json:"track"`
	Seed        uint64     `json:"seed"`
	Champion    string     `json:"champion"`  // directory of the champion's PEFT files within the work directory, "" the base model
	Reference   string     `json:"reference"` // the same for the track's fixed reference, "" the base model
	Train       Train      `json:"train"`
	Drift       DriftBound `json:"drift,omitzero"`
	SelfTests   int        `json:"self_tests"`        // fixed prompts to score for replicas
	Blocked     []string   `json:"blocked,omitempty"` // phrases that count against an answer
	Answers     int        `json:"answers"`           // prompts answered greedily by both, for behaviour

	// Importances is the file within the work directory that the champion's run left behind, "" where there is none.
	Importances string `json:"importances,omitempty"`

	// Origin is the directory, within the work directory, of the adapter that training goes on from in the champion's place: the fast learner
	// that the champion's run left behind, or the warm start of a track that has no champion. "" where there is none. Everything is compared
	// with the champion all the same.
	Origin string `json:"fast,omitempty"` // the name by which earlier records know it

	Forgetting float64 `json:"forgetting,omitempty"` // bound that is written beside the scores of probes

	Measure   *Measures  `json:"measure,omitempty"`    // not nil: nothing is trained, the selection is measured
	Asks      bool       `json:"asks,omitempty"`       // nothing is trained: the base model answers questions
	WarmStart *WarmStart `json:"warm_start,omitempty"` // not nil: a warm start is made of several tracks' examples
}

// Train are the settings of the training run.
type Train struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`
	RSLoRA  bool     `json:"rslora,omitempty"`        // scale α/√r in place of α/r
	Modules []string `json:"modules"`                 // or Auto alone
	Layers  []int    `json:"layers,omitempty"`        // nil for all
	Budget  int      `json:"module_budget,omitempty"` // parameters that linears chosen by Auto have at most, 0 for as many as those of the MLP would have

	// Targets are the adapted linears where they are not every module in every layer.
	Targets   []arch.Target   `json:"targets,omitempty"`
	Rate      float64         `json:"learning_rate"`
	Epochs    float64         `json:"epochs"`                  // passes over the new examples at least; preferences and ratings are gone through as often, or more
	Learned   float64         `json:"learned"`                 // share of the new corrections that the candidate must prefer to what they correct before training ends; 0: it ends after Epochs
	MaxSteps  int             `json:"max_steps"`               // optimizer steps at most
	MaxTime   time.Duration   `json:"max_time,omitempty"`      // of the steps, 0 for no limit
	From      int             `json:"cooldown_from,omitempty"` // step after which a run that is repeated began to end, where its time was over; 0 otherwise
	Warmup    float64         `json:"warmup"`                  // share of the steps that Epochs take
	Decay     float64         `json:"weight_decay"`
	Clip      float64         `json:"clip"`
	Rows      int             `json:"rows"`             // of a microbatch
	Columns   int             `json:"columns"`          // tokens of a row
	Micro     int             `json:"micro"`            // microbatches of a step
	Rehearsal float64         `json:"rehearsal"`        // rehearsal examples for each new one
	KL        float64         `json:"kl"`               // share of the teacher's distribution in the target of a rehearsed token, see teach
	Teacher   int             `json:"teacher"`          // tokens kept of that distribution
	KLNew     float64         `json:"kl_new,omitempty"` // the same share in the target of a new token (LwF; Li & Hoiem 2016)
	Methods   method.Settings `json:"methods,omitzero"`

	// StoredTeachers has rehearsed examples be taught by what was stored with them, where there is something, in place of the champion,
	// and leaves behind what to store with the new ones.
	StoredTeachers bool `json:"stored_teachers,omitempty"`

	Phrasings int `json:"phrasings,omitempty"` // in so many other words each question that was taught is asked besides

	Objective   string      `json:"objective,omitempty"` // selection.SFT, also where empty, DPO, KTO or APO
	Preferences Preferences `json:"preferences,omitzero"`
	Ratings     Ratings     `json:"ratings,omitzero"`
}

// config is the adapter that the job trains, of a model with that many layers.
func (j Job) config(layers int) adapter.Config {
	c := adapter.Config{Rank: j.Train.Rank, Alpha: j.Train.Alpha, RSLoRA: j.Train.RSLoRA, Modules: j.Train.Modules, Layers: j.Train.Layers}
	if j.Train.Targets != nil {
		return c.Covering(j.Train.Targets, layers)
	}
	return c
}

// read loads a JSON file of the work directory.
func read(dir, name string, into any) error {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return fmt.Errorf("read work file: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read work file %s: %w", name, err)
	}
	return nil
}

// openModel opens the model of a job. Another one than that which the night was made with is refused: its candidate would be another one.
func openModel(job Job) (*engine.Model, error) {
	m, err := engine.LoadModel(job.ModelDir, job.CacheDir)
	if err != nil {
		return nil, err
	}
	if is := m.Checkpoint.Digest(); job.ModelDigest != "" && job.ModelDigest != is {
		return nil, fmt.Errorf("open model: the model in %s is %s, this night was made with %s", job.ModelDir, is, job.ModelDigest)
	}
	return m, m.ServeFrom(job.ModelDir, job.CacheDir, job.Weights)
}

// adapterAt reads the PEFT files of a directory within the work directory; "" is the base model.
func adapterAt(dir, name string) (*adapter.Adapter, error) {
	if name == "" {
		return nil, nil
	}
	return adapter.Read(filepath.Join(dir, name))
}
