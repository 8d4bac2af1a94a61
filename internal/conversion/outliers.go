package conversion

import (
	"fmt"
	"os"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
)

// outlierChannels are those that WriteOutliers makes large, as far as a model has them, and outlierGain is how much.
var outlierChannels = []int{5, 77, 130}

const outlierGain = 40

// WriteOutliers writes into a directory a copy of a model with all its files, in which a few channels of the layer norms of every block
// are 40 times as large and the rows of the next weight that much smaller: the same function in float32, and what large models
// grow by themselves. It is what formats of few bits are tried on.
func WriteOutliers(base *checkpoint.Checkpoint, dir, to string) error {
	if err := writeOutliers(base, dir, to); err != nil {
		return fmt.Errorf("write model with outliers into %s: %w", to, err)
	}
	return nil
}

func writeOutliers(base *checkpoint.Checkpoint, dir, to string) error {
	shape := base.Shape()
	tensors := map[string][]float32{}
	for _, name := range base.Names() {
		var err error
		if tensors[name], err = base.Floats(name); err != nil {
			return err
		}
	}
	for l := range shape.Layers {
		enlarge(shape.Layer(l), tensors)
	}
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		return err
	}
	return checkpoint.Write(to, shape, tensors)
}

// enlarge makes the channels large in the norms of one layer, and small in the weights of the linears that each feeds.
func enlarge(layer []arch.Linear, tensors map[string][]float32) {
	large := map[string]bool{} // norms may feed several linears
	for _, l := range layer {
		if l.Norm == nil {
			continue
		}
		weight, of := tensors[l.Weight], func(in, out int) int { return in*l.Out + out }
		if l.Transposed {
			of = func(in, out int) int { return out*l.In + in }
		}
		for _, c := range outlierChannels {
			if c >= l.In {
				continue
			}
			for _, name := range l.Norm {
				if !large[name] {
					tensors[name][c] *= outlierGain
				}
			}
			for o := range l.Out {
				weight[of(c, o)] /= outlierGain
			}
		}
		for _, name := range l.Norm {
			large[name] = true
		}
	}
}
