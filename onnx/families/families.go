// Package families says which transformer the models of a family compute: the one place where graphs meet a family. It builds
// nothing itself.
package families

import (
	"nightshift/models/arch"
	"nightshift/onnx/gpt2"
	"nightshift/onnx/graphs"
	"nightshift/onnx/llama"
)

var transformers = map[string]graphs.Transformer{"gpt2": gpt2.Transformer{}, "llama": llama.Transformer{}}

// Of is what builds the graphs of a model of that shape. Of a family that is not known, building one fails.
func Of(shape arch.Shape) graphs.Model {
	return graphs.Model{Shape: shape, Transformer: transformers[shape.Family]}
}
