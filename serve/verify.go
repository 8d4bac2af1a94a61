package serve

import (
	"context"
	"errors"
	"fmt"
	"math"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/models/quantize"
	"nightshift/serve/api"
)

// Verify returns what a registry has to check of every version before it is stored and each time it is loaded: that it
// parses strictly, that its values are finite, and that it was made for this model.
func Verify(m *engine.Model) func(config, weights []byte, manifest registry.Manifest) error {
	base := m.Config
	digest := m.Checkpoint.Digest()
	return func(config, weights []byte, manifest registry.Manifest) error {
		a, err := adapter.Parse(config, weights)
		if err != nil {
			return err
		}
		if err := a.Check(); err != nil {
			return err
		}
		if err := a.CheckBase(base); err != nil {
			return err
		}
		if manifest.BaseDigest != "" && manifest.BaseDigest != digest {
			return fmt.Errorf("it was trained on model %s, this one is %s", manifest.BaseDigest, digest)
		}
		return nil
	}
}

// load brings a version into the bank and tests it. Any number of callers may ask for the same one; it is done once.
func (v *versions) load(digest string) error {
	_, err, _ := v.loading.Do(digest, func() (any, error) {
		err := v.loadOnce(v.base, digest)
		v.mark(digest, err)
		return nil, err
	})
	return err
}

// checked is a version that this process has verified and tested, as far as it takes to bring it back into the bank.
type checked struct {
	stamp  registry.Stamp
	layout *adapter.Layout
}

func (v *versions) loadOnce(ctx context.Context, digest string) error {
	if known, ok := v.checked.Load(digest); ok {
		err := v.reload(digest, known.(*checked))
		if !errors.Is(err, registry.ErrChanged) {
			return err
		}
		v.checked.Delete(digest) // all of it again, which says what is wrong
		v.log.Warn("the weights of a version have changed since they were checked, and are checked again", "version", digest, "reason", err)
	}
	stamp, err := v.registry.Stamp(digest)
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	config, weights, manifest, err := v.registry.Load(digest)
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	a, err := adapter.Parse(config, weights)
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	bank := v.engine.Bank()
	if err := bank.Install(digest, a); err != nil {
		return err
	}
	if err := v.selfTest(ctx, digest, manifest); err != nil {
		return err
	}
	if layout, err := a.Layout(weights); err == nil { // otherwise it is parsed each time
		v.checked.Store(digest, &checked{stamp.Bind(weights), layout})
	}
	return nil
}

// reload brings a version back into the bank that was verified and tested before: its file is read once, and copied. An error
// wraps registry.ErrChanged when the file is not the one that was checked. Two versions for each processor are
// reloaded at the same time, each with a buffer: while one waits for the disk, another is copied.
func (v *versions) reload(digest string, c *checked) error {
	buffer := <-v.buffers
	defer func() { v.buffers <- buffer }()
	weights, err := v.registry.Reload(digest, c.stamp, buffer)
	if err != nil {
		return err
	}
	buffer = weights[:0]
	return v.engine.Bank().Reinstall(digest, c.layout, weights)
}

// tolerances are how far, in nats, the score of a token may be from the one in a self-test: where both were computed with
// weights of the same format, and where one was with a coarser one.
const sameTolerance = 0.02

var formatTolerance = map[string]float64{quantize.Int8: 0.5, quantize.Int4: 2}

// tolerance is how far scores may be from those that were recorded with weights of a format.
func tolerance(served, recorded string) float64 {
	if recorded == "" {
		recorded = quantize.Float32
	}
	if served == recorded {
		return sameTolerance
	}
	return max(formatTolerance[served], formatTolerance[recorded])
}

// selfTest recomputes the scores that the manifest records. The manifest of an imported version may have none.
func (v *versions) selfTest(ctx context.Context, digest string, manifest registry.Manifest) error {
	tests, limit := manifest.SelfTest, tolerance(v.engine.Model().Weights(), manifest.ServedAs)
	for i, t := range tests {
		if len(t.Prompt) == 0 || len(t.Target) == 0 || len(t.Scores) != len(t.Target) {
			return fmt.Errorf("self-test %d of version %s is not whole: %w", i, digest, api.ErrRefused)
		}
		pin, ok := v.engine.Bank().Pin(digest)
		if !ok {
			return fmt.Errorf("test version %s: it left the bank; raise engine.bank_rows", digest)
		}
		tokens := append(append([]int32{}, t.Prompt...), t.Target...)
		score, err := v.engine.Score(ctx, pin, tokens, len(t.Prompt))
		if err != nil {
			return fmt.Errorf("test version %s: %w", digest, err)
		}
		for j, want := range t.Scores {
			if got := score.LogProbs[j]; !(math.Abs(float64(got-want)) <= limit) {
				return fmt.Errorf("self-test %d of version %s: token %d scores %v, its manifest says %v: %w", i, digest, j, got, want, api.ErrRefused)
			}
		}
	}
	if len(tests) > 0 {
		v.marks.Store(digest, "pass")
	}
	return nil
}
