package arch

import "regexp"

// Tensor is a named array of a model: one of a checkpoint, or one that is trained.
type Tensor struct {
	Name  string
	Dims  []int64
	Start Start
}

// Elements counts its values.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Dims {
		n *= int(d)
	}
	return n
}

// Start is what the values of a tensor are before any training.
type Start int

// Normal values are drawn with one deviation for all, Residual ones with that over √(2·layers), so that the residual stream does
// not grow with the number of layers.
const (
	Zeros Start = iota
	Ones
	Normal
	Residual
)

// Canonical is the name here of a tensor in a checkpoint's file, "" for a buffer that is no weight.
func (s Shape) Canonical(stored string) string { return s.family().canonical(stored) }

// Stored is the name in a checkpoint's file of one of Tensors.
func (s Shape) Stored(name string) string { return s.family().stored(name) }

// otherHeads are modules beside the transformer that other tasks' models put on its outputs: classifiers, reward and value heads,
// answers to multiple choice.
var otherHeads = regexp.MustCompile(`^(score|classifier|qa_outputs|pooler|\w+_classifier|\w+_heads?)\.`)

var languageHead = regexp.MustCompile(`^` + HeadName + `\.`)

// IsOtherHead says whether a tensor belongs to the head of another task. A language model computes without it, as transformers does
// when it loads such a file into one.
func IsOtherHead(name string) bool {
	return otherHeads.MatchString(name) && !languageHead.MatchString(name)
}
