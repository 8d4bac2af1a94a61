package conversion

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	cfg := base.Config()
	tensors := map[string][]float32{}
	for _, name := range base.Names() {
		var err error
		if tensors[name], err = base.Floats(name); err != nil {
			return err
		}
	}
	for name, gain := range tensors {
		norm, ok := strings.CutSuffix(name, ".weight")
		next := map[string]string{".ln_1": ".attn.c_attn.weight", ".ln_2": ".mlp.c_fc.weight"}[filepath.Ext(norm)]
		if !ok || next == "" {
			continue
		}
		weight := tensors[strings.TrimSuffix(norm, filepath.Ext(norm))+next]
		out := len(weight) / cfg.Width
		for _, c := range outlierChannels {
			if c >= cfg.Width {
				continue
			}
			gain[c] *= outlierGain
			tensors[norm+".bias"][c] *= outlierGain
			for o := range out {
				weight[c*out+o] /= outlierGain
			}
		}
	}
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		return err
	}
	return checkpoint.Write(to, cfg, tensors)
}
