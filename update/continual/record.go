package continual

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"nightshift/internal/retention"
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

// Book keeps the records of a benchmark in a file: each is on disk before the next begins, so that a benchmark that was
// interrupted goes on where it was.
type Book struct {
	mu      sync.Mutex
	file    *os.File
	records map[string]Record
}

// OpenBook opens the records in dir, and makes both where they do not exist. A last line that was not written to its end is
// taken out.
func OpenBook(dir string) (*Book, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open records: %w", err)
	}
	path := filepath.Join(dir, RunsFile)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open records: %w", err)
	}
	b := &Book{records: map[string]Record{}}
	whole := bytes.LastIndexByte(data, '\n') + 1
	for n, line := range bytes.Split(bytes.TrimSuffix(data[:whole], []byte("\n")), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("open records: line %d of %s: %w; move the file away to begin anew", n+1, path, err)
		}
		b.records[r.Key] = r
	}
	if b.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return nil, fmt.Errorf("open records: %w", err)
	}
	err = b.file.Truncate(int64(whole))
	if err == nil {
		_, err = b.file.Seek(int64(whole), io.SeekStart)
	}
	if err != nil {
		b.file.Close()
		return nil, fmt.Errorf("open records: %w", err)
	}
	return b, nil
}

// Find returns the record with a key.
func (b *Book) Find(key string) (Record, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.records[key]
	return r, ok
}

// Add writes a record to disk.
func (b *Book) Add(r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := b.file.Sync(); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	b.records[r.Key] = r
	return nil
}

// Close closes the file.
func (b *Book) Close() error { return b.file.Close() }

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
