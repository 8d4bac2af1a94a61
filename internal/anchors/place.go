package anchors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nightshift/internal/atomicfile"
)

// Place is where a model's starter memory and anchors are: beside the model, or where nothing can be written there, in a directory to
// spare. The zero value is no place: nothing is read and nothing is made.
type Place struct {
	Model    string // directory of the model
	Spare    string // directory that is made when it is needed
	Base     string // digest of the model
	Template string // digest of its chat template, "" for none
}

// State is what a place has.
type State string

// The states of a place.
const (
	Missing  State = "missing"  // no anchors
	Theirs   State = "own"      // anchors that somebody brought
	Current  State = "made"     // the model's own answers to all questions
	Outdated State = "outdated" // answers of another model, or of this one with another chat template
	More     State = "more"     // answers of the model, and there are other questions now
)

// Record says what made files were made of.
type Record struct {
	Model     string            `json:"model"`              // digest
	Template  string            `json:"template,omitempty"` // digest
	Weights   string            `json:"weights"`            // format of the weights that answered
	Questions string            `json:"questions"`          // digest
	Asked     int               `json:"asked"`
	Anchors   int               `json:"anchors"`
	Rehearsal int               `json:"rehearsal"`
	Left      map[string]int    `json:"left_out,omitempty"` // why, and how many
	Files     map[string]string `json:"files"`              // digests of what was written: another file of that name is somebody's own
}

// File is the path of a file of the place; where there is none, the one that it would have beside the model.
func (p Place) File(name string) string {
	for _, dir := range []string{p.Model, p.Spare} {
		if path := filepath.Join(dir, name); dir != "" && exists(path) {
			return path
		}
	}
	return filepath.Join(p.Model, name)
}

// exists says whether there is a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Dir is the directory that files are written into: the model's if that can be written.
func (p Place) Dir() string {
	if p.Spare == "" || writable(p.Model) {
		return p.Model
	}
	return p.Spare
}

// writable says whether a file can be made in a directory.
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

// Questions are those that ship, and those that somebody added.
func (p Place) Questions() ([]Question, error) {
	list := Shipped()
	path := p.File(QuestionsFile)
	if !exists(path) {
		return list, nil
	}
	own, err := ReadQuestions(path)
	return unique(append(list, own...)), err
}

// Look says what there is.
func (p Place) Look() (State, Record, error) {
	path := p.File(AnchorsFile)
	if p.Model == "" || !exists(path) {
		return Missing, Record{}, nil
	}
	dir := filepath.Dir(path)
	r, err := readRecord(dir)
	if err != nil {
		return "", r, err
	}
	made, err := r.made(dir, AnchorsFile)
	switch {
	case err != nil:
		return "", r, err
	case !made:
		return Theirs, Record{}, nil
	case r.Model != p.Base || r.Template != p.Template:
		return Outdated, r, nil
	}
	questions, err := p.Questions()
	if err == nil && r.Questions != digestOf(questions) {
		return More, r, nil
	}
	return Current, r, err
}

// Made says whether a file in a directory holds a model's own answers.
func Made(dir, name string) (bool, error) {
	r, err := readRecord(dir)
	if err != nil {
		return false, err
	}
	return r.made(dir, name)
}

// readRecord reads the record of a directory; one without has an empty one.
func readRecord(dir string) (r Record, err error) {
	path := filepath.Join(dir, RecordFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return r, fmt.Errorf("read record %s: %w", path, err)
	}
	return r, nil
}

// made says whether a file in a directory is what the record says was written.
func (r Record) made(dir, name string) (bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	return r.Files[name] == digest(data), nil
}

// AddQuestions keeps questions beside those that ship, and says how many were new.
func (p Place) AddQuestions(list []Question) (added int, err error) {
	known, err := p.Questions()
	if err != nil {
		return 0, err
	}
	all := unique(append(known, list...))
	if added = len(all) - len(known); added == 0 {
		return 0, nil
	}
	data, err := encode(all[len(Shipped()):])
	if err != nil {
		return 0, err
	}
	dir := p.Dir()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("write questions: %w", err)
	}
	return added, atomicfile.Write(filepath.Join(dir, QuestionsFile), data, 0o644)
}
