package continual

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"

	"nightshift/internal/retention"
	"nightshift/lab/results"
)

// Stages of a benchmark and its tracks.
const (
	Tuning    = "tuning"
	Measuring = "measuring"
	Tasks     = "tasks"
	Streaming = "stream"
)

// RunsFile holds one record a line.
const RunsFile = "runs.jsonl"

// cell says which run a record is of.
type cell struct {
	Stage    string   `json:"stage"`
	Track    string   `json:"track"`
	Method   string   `json:"method"`
	Settings Settings `json:"settings"`
	Order    int      `json:"order"`
	Seed     int      `json:"seed"`
}

// Record is one run of one method over one order with one seed.
type Record struct {
	Key      string           `json:"key"` // names the run and all that its figures depend on
	Stage    string           `json:"stage"`
	Track    string           `json:"track"`
	Method   string           `json:"method"`
	Family   string           `json:"family"`
	Settings Settings         `json:"settings"`
	Order    int              `json:"order"`
	Seed     int              `json:"seed"`
	Columns  []string         `json:"columns"`  // domains, in the order in which they are learned
	Phases   []string         `json:"phases"`   // of the rows after the first
	Exact    retention.Matrix `json:"exact"`    // R of the share of exact answers
	LogProb  retention.Matrix `json:"log_prob"` // R of the mean log-probability, nats per token
	Curve    []Point          `json:"curve"`
	Steps    int              `json:"steps"`
	Tokens   int              `json:"tokens"` // trained on, replayed ones included
	Seconds  float64          `json:"seconds"`
}

// RecordKey implements results.Keyed.
func (r Record) RecordKey() string { return r.Key }

// Records keeps the records of a benchmark, so that one that was interrupted goes on where it was.
type Records = results.File[Record]

// OpenRecords opens the records in dir, and makes both where they do not exist.
func OpenRecords(dir string) (*Records, error) {
	return results.Open[Record](filepath.Join(dir, RunsFile))
}

// key names a run by everything that decides its figures.
func (o Options) key(c cell) (string, error) {
	stream := o.Stream
	if c.Track == Tasks {
		stream = StreamOptions{}
	}
	data, err := json.Marshal(struct {
		Format int
		Model  string
		Budget Budget
		Sizes  Sizes
		Stream StreamOptions
		Cell   cell
	}{recordFormat, o.Model.Digest, o.Budget, o.Sizes, stream, c})
	if err != nil {
		return "", fmt.Errorf("name a run: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8]), nil
}

// recordFormat is raised when a method or a generator changes what figures mean.
const recordFormat = 1
