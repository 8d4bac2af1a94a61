package night

import (
	"context"
	"fmt"
	"strings"

	"nightshift/internal/registry"
	"nightshift/models/adapter"
)

// Addend is a version of a merge, and the factor by which what it adds counts.
type Addend struct {
	Ref    registry.Ref
	Weight float64
}

// Merged is what Merge made.
type Merged struct {
	Ref  registry.Ref `json:"ref"`
	Rank int          `json:"rank"`
	Lost float64      `json:"lost"` // norm of what was cut off, as a share of the whole's; 0 but for rounding where the rank sufficed
}

// Merge stores the weighted sum of what versions add to the model's weights as a version of a track, whose manifest names them; it
// activates nothing. It is exact where rank is at least the sum of their ranks, else the best approximation; 0 is that sum, or maxRank
// if that is less. The scale is that of the first version.
func Merge(ctx context.Context, reg *registry.Registry, track string, parts []Addend, rank, maxRank int) (Merged, error) {
	var m registry.Manifest
	var list []adapter.Part
	sum := 0
	for _, p := range parts {
		if p.Ref.Base() {
			return Merged{}, fmt.Errorf("merge %s: the base model adds nothing", p.Ref)
		}
		config, weights, manifest, err := reg.Load(p.Ref.Digest)
		if err != nil {
			return Merged{}, fmt.Errorf("merge %s: %w", p.Ref, err)
		}
		a, err := adapter.Parse(config, weights)
		if err != nil {
			return Merged{}, fmt.Errorf("merge %s: %w", p.Ref, err)
		}
		for _, same := range []struct {
			name     string
			all, own *string
		}{{"base model", &m.BaseDigest, &manifest.BaseDigest}, {"chat template", &m.TemplateHash, &manifest.TemplateHash}, {"tokenizer", &m.TokenizerHash, &manifest.TokenizerHash}} {
			if *same.all != "" && *same.own != "" && *same.all != *same.own {
				return Merged{}, fmt.Errorf("merge %s: it was made for another %s than the versions before it", p.Ref, same.name)
			}
			*same.all = max(*same.all, *same.own)
		}
		list = append(list, adapter.Part{Adapter: a, Weight: p.Weight})
		m.Merged = append(m.Merged, registry.Share{Digest: p.Ref.Digest, Weight: p.Weight})
		sum += a.Config.Rank
		m.Examples += manifest.Examples
	}
	if len(list) == 0 {
		return Merged{}, fmt.Errorf("merge versions: none was named")
	}
	if rank == 0 {
		rank = min(sum, maxRank)
	}
	if rank < 1 || rank > maxRank {
		return Merged{}, fmt.Errorf("merge versions: rank %d cannot be served, want 1 to %d (engine.max_rank)", rank, maxRank)
	}
	merged, lost, err := adapter.Merge(list[0].Adapter.Config.Ranked(rank), list...)
	if err != nil {
		return Merged{}, err
	}
	m.Figures = map[string]float64{"cut": lost}
	v := registry.Version{Manifest: m}
	if v.Config, v.Weights, err = merged.Files(); err != nil {
		return Merged{}, err
	}
	ref, err := reg.Put(ctx, track, v)
	return Merged{ref, rank, lost}, err
}

// String names the version as the command line does.
func (a Addend) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%s:%g", a.Ref, a.Weight), ":1")
}
