package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
)

// LearningFile is the learning profile beside a model's weights.
const LearningFile = "learning.json"

// Learning is a model's learning profile: what its nights use where the configuration leaves it to the model.
type Learning struct {
	LearningRate float64 `json:"learning_rate"` // peak learning rate of AdamW for LoRA factors with alpha/rank 2
}

// The rule by width. Adam moves each parameter by about the learning rate, whatever its gradient is, so that the change of a
// layer's output grows with the number of inputs that move together: rates that suit one width suit another when they are multiplied
// by the ratio of the widths to the power of minus one (Yang et al. 2022, arXiv:2203.03466, table 3, for Adam and matrices whose
// both sides grow). docs/learning-rate.md has what was measured at three widths.
const (
	ruleRate  = 2e-3 // at ruleWidth
	ruleWidth = 192
)

// LearningByWidth is the profile of a model that brings none, from the width of its hidden states.
func LearningByWidth(width int) Learning {
	rate := ruleRate * ruleWidth / float64(width)
	digits := math.Pow(10, 1-math.Floor(math.Log10(rate))) // two significant digits
	return Learning{LearningRate: math.Round(rate*digits) / digits}
}

// LoadLearning reads the learning profile of a model directory. The error of a directory without one is fs.ErrNotExist.
func LoadLearning(dir string) (Learning, error) {
	path := filepath.Join(dir, LearningFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return Learning{}, fmt.Errorf("read the learning profile: %w", err)
	}
	var l Learning
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Learning{}, fmt.Errorf("read the learning profile %s: %w", path, err)
	}
	if !(l.LearningRate > 0 && l.LearningRate <= 1) {
		return Learning{}, fmt.Errorf("read the learning profile %s: learning_rate is %g, it must lie above 0 and at most at 1", path, l.LearningRate)
	}
	return l, nil
}

// LearningOf is the learning profile of a model directory, or by the rule for the width of a model that brings none.
func LearningOf(dir string, width int) (Learning, error) {
	l, err := LoadLearning(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return LearningByWidth(width), nil
	}
	return l, err
}

// Write writes the profile into a model directory.
func (l Learning) Write(dir string) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("write the learning profile: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, LearningFile), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the learning profile: %w", err)
	}
	return nil
}
