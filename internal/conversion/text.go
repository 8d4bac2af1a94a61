package conversion

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed" // the text for models without one
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nightshift/internal/anchors"
	"nightshift/internal/engine"
	"nightshift/models/template"
)

// Text is what a model is calibrated and measured with.
type Text struct {
	Source    string // for people
	Sequences []Sequence
}

// Sequence is a piece of text as tokens. Those before From, at least 1, are read but not scored.
type Sequence struct {
	Tokens []int32
	From   int
}

//go:embed text.txt
var english string

// Read makes the text for a model: of a file; without one of rehearsal.jsonl and anchors.jsonl in the model's directory; without these,
// and where they are the model's own answers, which are likelier to it than text that it reads, of a page of English that is part of the program. A file whose name ends with .jsonl holds one
// {"messages", "completion"} a line, of which the completions are scored; any other is plain text.
func Read(model *engine.Model, dir, file string) (Text, error) {
	if file != "" {
		t, err := readFile(model, file)
		t.Source = file
		if err == nil && len(t.Sequences) < heldOut {
			err = fmt.Errorf("it has only %d pieces", len(t.Sequences))
		}
		if err != nil {
			return Text{}, fmt.Errorf("read calibration text %s: %w", file, err)
		}
		return t, nil
	}
	var all Text
	for _, name := range []string{anchors.RehearsalFile, anchors.AnchorsFile} {
		made, err := anchors.Made(dir, name)
		if err != nil {
			return Text{}, err
		}
		if made {
			continue
		}
		t, err := readFile(model, filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Text{}, fmt.Errorf("read calibration text %s: %w", filepath.Join(dir, name), err)
		}
		all.Sequences = append(all.Sequences, t.Sequences...)
		all.Source = strings.TrimPrefix(all.Source+" and "+name, " and ")
	}
	if len(all.Sequences) >= heldOut {
		return all, nil
	}
	return Text{Source: "a built-in page of English", Sequences: plain(model, english)}, nil
}

func readFile(model *engine.Model, file string) (Text, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Text{}, err
	}
	if filepath.Ext(file) != ".jsonl" {
		return Text{Sequences: plain(model, string(data))}, nil
	}
	var t Text
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		s, err := record(model, lines.Bytes())
		if err != nil {
			return Text{}, fmt.Errorf("line %d: %w", n, err)
		}
		if s.From >= 1 && s.From < len(s.Tokens) && len(s.Tokens) <= model.Config.Context {
			t.Sequences = append(t.Sequences, s)
		}
	}
	return t, lines.Err()
}

// record is one line of a file of examples.
func record(model *engine.Model, line []byte) (Sequence, error) {
	var r struct {
		Messages   []template.Message `json:"messages"`
		Completion string             `json:"completion"`
		Open       bool               `json:"open"` // it goes on there: no end is scored
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return Sequence{}, err
	}
	var prompt []int32
	var err error
	if len(r.Messages) == 1 && r.Messages[0].Role == "prompt" {
		prompt = model.Tokenizer.EncodeWhole(nil, r.Messages[0].Content)
	} else if prompt, err = model.ChatTokens(r.Messages); err != nil {
		return Sequence{}, err
	}
	from := len(prompt)
	tokens := model.Tokenizer.EncodeMore(prompt, r.Completion)
	if !r.Open {
		tokens = model.WithEnd(tokens)
	}
	return Sequence{Tokens: tokens, From: from}, nil
}

// plain cuts text into pieces that a model can read, each after the token that texts begin with where the model has one. A short text
// is cut into enough pieces to leave some out.
func plain(model *engine.Model, text string) []Sequence {
	var start []int32
	if begin := model.Begin(); begin >= 0 {
		start = []int32{begin}
	}
	tokens := model.Tokenizer.Encode(nil, text)
	size := max(16, min(255, model.Config.Context-1, len(tokens)/(2*heldOut)))
	var list []Sequence
	for at := 0; at+2 <= len(tokens); at += size {
		piece := append(append([]int32(nil), start...), tokens[at:min(len(tokens), at+size)]...)
		list = append(list, Sequence{Tokens: piece, From: 1})
	}
	return list
}

// split divides the text: every fourth sequence measures, up to a bound, the others calibrate.
func (t Text) split() (calibration, measured []Sequence) {
	scored := 0
	for i, s := range t.Sequences {
		switch {
		case i%heldOut != heldOut-1:
			calibration = append(calibration, s)
		case scored < maxMeasured:
			measured = append(measured, s)
			scored += len(s.Tokens) - s.From
		}
	}
	return calibration, measured
}

// digest names the tokens of the text.
func (t Text) digest() string {
	h := sha256.New()
	for _, s := range t.Sequences {
		binary.Write(h, binary.LittleEndian, int64(len(s.Tokens))) //nolint:errcheck // a hash takes all bytes
		binary.Write(h, binary.LittleEndian, s.Tokens)             //nolint:errcheck // a hash takes all bytes
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
