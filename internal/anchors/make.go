package anchors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/atomicfile"
	"nightshift/internal/engine"
)

// usable is how many answers a model must give: with fewer nobody could see what it forgets.
const usable = 16

// TooFewError says that a model does not answer.
type TooFewError struct{ Usable, Asked int }

// Error says what to do.
func (e *TooFewError) Error() string {
	return fmt.Sprintf("the model gave %d usable answers to %d questions, fewer than %d: put %s with examples of your own beside the model", e.Usable, e.Asked, usable, AnchorsFile)
}

// Plan is what is to be made: questions that are to be asked, and answers that there are.
type Plan struct {
	place     Place
	questions []Question
	Ask       []Question
	known     map[string]Example // by what was asked
}

// Plan looks which of the questions the model has not answered yet. Answers of another model are not kept, and anchors that somebody brought
// are an error.
func (p Place) Plan() (Plan, error) {
	state, _, err := p.Look()
	if err != nil {
		return Plan{}, err
	}
	if state == Theirs {
		return Plan{}, fmt.Errorf("make anchors: %s is not one that this program made; add lines to it, or move it away", p.File(AnchorsFile))
	}
	plan := Plan{place: p, known: map[string]Example{}}
	if plan.questions, err = p.Questions(); err != nil {
		return plan, err
	}
	if state == Current || state == More {
		if err := plan.recall(); err != nil {
			return plan, err
		}
	}
	for _, q := range plan.questions {
		if _, ok := plan.known[keyOf(q.asked(p.Template != ""))]; !ok {
			plan.Ask = append(plan.Ask, q)
		}
	}
	return plan, nil
}

// recall reads the answers that there are.
func (p *Plan) recall() error {
	for _, name := range []string{AnchorsFile, RehearsalFile} {
		list, _, err := p.place.examples(name)
		if err != nil {
			return err
		}
		for _, e := range list {
			p.known[keyOf(e.Messages)] = e
		}
	}
	return nil
}

// Keep writes the answers to what was to be asked, beside those that there were, and the record of what they are.
func (p Plan) Keep(answers []Answer, weights string) (Record, error) {
	r := Record{Model: p.place.Base, Template: p.place.Template, Weights: weights, Questions: digestOf(p.questions), Asked: len(p.questions), Left: map[string]int{}, Files: map[string]string{}}
	known := maps.Clone(p.known)
	for _, a := range answers {
		if a.Left != "" {
			r.Left[a.Left]++
			continue
		}
		known[keyOf(a.Messages)] = a.Example
	}
	var anchors, rehearsal []Example
	for _, q := range p.questions {
		e, ok := known[keyOf(q.asked(p.place.Template != ""))]
		switch {
		case !ok:
		case q.measures():
			anchors = append(anchors, e)
		default:
			rehearsal = append(rehearsal, e)
		}
	}
	if n := len(anchors) + len(rehearsal); n < usable || len(anchors) == 0 {
		return r, &TooFewError{n, len(p.questions)}
	}
	r.Anchors, r.Rehearsal = len(anchors), len(rehearsal)
	if err := r.write(p.place.Dir(), anchors, rehearsal); err != nil {
		return r, fmt.Errorf("write anchors: %w", err)
	}
	return r, nil
}

// write replaces the files of a directory that were made; others stay. The anchors come last: without them nothing counts as made, so that a
// crash before leaves what is simply made again.
func (r *Record) write(dir string, anchors, rehearsal []Example) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	before, err := readRecord(dir)
	if err != nil {
		return err
	}
	content := map[string][]byte{}
	for name, list := range map[string][]Example{AnchorsFile: anchors, RehearsalFile: rehearsal} {
		made, err := before.made(dir, name)
		if err != nil {
			return err
		}
		if !made && exists(filepath.Join(dir, name)) {
			continue // somebody's own
		}
		if content[name], err = encode(list); err != nil {
			return err
		}
		r.Files[name] = digest(content[name])
	}
	if content[RehearsalFile] == nil {
		r.Rehearsal = 0
	}
	for name := range content {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	record, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, RecordFile), append(record, '\n'), 0o644); err != nil {
		return err
	}
	for _, name := range []string{RehearsalFile, AnchorsFile} {
		if data, ok := content[name]; ok {
			if err := atomicfile.Write(filepath.Join(dir, name), data, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// Make has a model answer what it has not answered yet, and keeps the answers.
func (p Place) Make(ctx context.Context, model *engine.Model, opt Options) (Record, error) {
	plan, err := p.Plan()
	if err != nil {
		return Record{}, err
	}
	answers, err := Ask(ctx, model, plan.Ask, opt)
	if err != nil {
		return Record{}, fmt.Errorf("make anchors: %w", err)
	}
	return plan.Keep(answers, model.Weights())
}

// Where says in which directory a made place has its files.
func (p Place) Where() string { return filepath.Dir(p.File(AnchorsFile)) }

// Sentence says what there is, for people.
func (r Record) Sentence() string {
	text := fmt.Sprintf("%d anchors and %d examples to rehearse of the model's own answers to %d questions", r.Anchors, r.Rehearsal, r.Asked)
	var left []string
	for _, why := range slices.Sorted(maps.Keys(r.Left)) {
		left = append(left, fmt.Sprintf("%d %s", r.Left[why], why))
	}
	if len(left) > 0 {
		text += "; left out: " + strings.Join(left, ", ")
	}
	return text
}
