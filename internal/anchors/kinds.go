package anchors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Kind is how much there is of a kind of question.
type Kind struct {
	Name      string `json:"kind"`
	Anchors   int    `json:"anchors"`
	Rehearsal int    `json:"rehearsal"`
	From      string `json:"from"`
}

// Kinds counts the examples of a place: those that are answers to questions by the questions' kinds, and others by their file.
func (p Place) Kinds() ([]Kind, error) {
	questions, err := p.Questions()
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, q := range Shipped() {
		ours[keyOf(q.Messages)] = true
	}
	of := map[string]Kind{}
	for _, q := range questions {
		k := Kind{Name: q.Kind, From: "questions that ship"}
		if !ours[keyOf(q.Messages)] {
			k.From = p.File(QuestionsFile)
		}
		of[keyOf(q.Messages)], of[keyOf(q.asked(false))] = k, k
	}
	var list []Kind
	at := map[Kind]int{}
	for _, name := range []string{AnchorsFile, RehearsalFile} {
		examples, dir, err := p.examples(name)
		if err != nil {
			return nil, err
		}
		made, err := Made(dir, name)
		if err != nil {
			return nil, err
		}
		for _, e := range examples {
			k, ok := of[keyOf(e.Messages)]
			if !ok || !made {
				k = Kind{Name: "–", From: filepath.Join(dir, name)}
			}
			i, ok := at[k]
			if !ok {
				i, at[k] = len(list), len(list)
				list = append(list, k)
			}
			if name == AnchorsFile {
				list[i].Anchors++
			} else {
				list[i].Rehearsal++
			}
		}
	}
	return list, nil
}

// examples reads a file of the place, and says in which directory it is; a missing one has none.
func (p Place) examples(name string) (list []Example, dir string, err error) {
	path := p.File(name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, filepath.Dir(path), nil
	}
	if err == nil {
		list, err = decode[Example](data)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read examples %s: %w", path, err)
	}
	return list, filepath.Dir(path), nil
}
