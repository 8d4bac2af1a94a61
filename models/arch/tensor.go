package arch

import "regexp"

// Tensor is a named array of a model: one of a checkpoint, or one that is trained.
type Tensor struct {
	Name  string
	Dims  []int64
	Start Start
	// Pieces are the tensors of a file that it is made of, side by side along its last axis; nil where a file has it as it is.
	Pieces []Piece
}

// Piece is a tensor of a file that is a part of one here.
type Piece struct {
	Name string // as Canonical gives it
	Dims []int64
	// Turned says that the file has it as [out, in], where the tensor that it is a part of is [in, out].
	Turned bool
}

// Width is how much of the last axis of the tensor it fills.
func (p Piece) Width() int {
	if p.Turned {
		return int(p.Dims[0])
	}
	return int(p.Dims[len(p.Dims)-1])
}

// Files lists the tensors of a file that t is made of: its pieces, or itself.
func (t Tensor) Files() []Piece {
	if t.Pieces != nil {
		return t.Pieces
	}
	return []Piece{{Name: t.Name, Dims: t.Dims}}
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

// Canonical is the name here of a tensor or of a piece of one in a checkpoint's file, "" for a buffer that is no weight.
func (s Shape) Canonical(stored string) string { return s.family().canonical(stored) }

// Stored is the name in a checkpoint's file of one of Tensors that is stored as it is, or of a piece of one.
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
