// Package adapter reads and writes LoRA adapters in PEFT's layout: adapter_config.json beside
// adapter_model.safetensors.
//
// An Adapter is a low-rank addition to some of a model's linear layers: y += Scale · (x·A)·B. Whatever a file says is
// either honoured or refused by name; nothing that changes the computation is ignored. PEFT stores A as [r, in] and B as
// [out, r], whatever fan_in_fan_out says; in memory they lie as the graphs multiply them, A [in, r] and B [r, out].
//
// The files written are canonical: equal adapters give equal bytes, and the digest names the adapter by them. Which linears
// a model has, and how PEFT names them, models/arch says. The package trains nothing and never touches the base model;
// methods whose files only work on a changed base are refused.
package adapter

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"nightshift/models/arch"
)

// Config is what an adapter's tensors do not say themselves.
type Config struct {
	Rank      int
	Alpha     float64
	RSLoRA    bool
	Modules   []string // of one family; read and written in that order
	Layers    []int    // nil: every layer of the base; read and written ascending
	BaseModel string   // a name for people; CheckBase decides whether a base fits
}

// Scale is the factor of (x·A)·B: α/r (Hu et al. 2021), or α/√r for rank-stabilised LoRA (Kalajdzievski 2023).
func (c Config) Scale() float64 {
	if c.RSLoRA {
		return c.Alpha / math.Sqrt(float64(c.Rank))
	}
	return c.Alpha / float64(c.Rank)
}

// Ranked is c at another rank and the same scale.
func (c Config) Ranked(rank int) Config {
	scale := c.Scale()
	c.Rank, c.Alpha = rank, scale*float64(rank)
	if c.RSLoRA {
		c.Alpha = scale * math.Sqrt(float64(rank))
	}
	return c
}

// maxRank is far above any useful rank and keeps sizes far from overflow.
const maxRank = 1 << 14

func (c Config) check() error {
	if c.Rank < 1 || c.Rank > maxRank {
		return fmt.Errorf("r is %d, want 1 to %d", c.Rank, maxRank)
	}
	if !(c.Alpha > 0) || math.IsInf(c.Alpha, 0) {
		return fmt.Errorf("lora_alpha is %v, want a positive number", c.Alpha)
	}
	if len(c.Modules) == 0 {
		return fmt.Errorf("no modules are adapted; choose from %v", arch.Modules())
	}
	known := arch.Modules()
	if n := arch.NamingOf(c.Modules[0]); n != nil {
		known = n.Modules
	}
	for i, m := range c.Modules {
		if !slices.Contains(known, m) {
			return fmt.Errorf("module %q is not one of %v", m, known)
		}
		if slices.Contains(c.Modules[:i], m) {
			return fmt.Errorf("module %s is named twice", m)
		}
	}
	for i, l := range c.Layers {
		if l < 0 || l >= arch.MaxLayers {
			return fmt.Errorf("layer %d is not a number below %d", l, arch.MaxLayers)
		}
		if slices.Contains(c.Layers[:i], l) {
			return fmt.Errorf("layer %d is named twice", l)
		}
	}
	if c.Layers != nil && len(c.Layers) == 0 {
		return fmt.Errorf("the list of layers is empty; nil means all")
	}
	return nil
}

// canonical is c with its lists in the order in which they are written.
func (c Config) canonical() Config {
	c.Modules, c.Layers = slices.Clone(c.Modules), slices.Clone(c.Layers)
	slices.Sort(c.Layers)
	slices.SortFunc(c.Modules, func(a, b string) int { return slices.Index(arch.Modules(), a) - slices.Index(arch.Modules(), b) })
	return c
}

// Covering is c with the modules and layers of the given targets in a model of that many layers.
func (c Config) Covering(targets []arch.Target, layers int) Config {
	c.Modules, c.Layers = nil, nil
	for _, t := range targets {
		if !slices.Contains(c.Modules, t.Module) {
			c.Modules = append(c.Modules, t.Module)
		}
		if !slices.Contains(c.Layers, t.Layer) {
			c.Layers = append(c.Layers, t.Layer)
		}
	}
	if len(targets) == layers*len(c.Modules) {
		c.Layers = nil
	}
	return c.canonical()
}

// Factors are the two matrices of a target, row-major, without the scale.
type Factors struct {
	A []float32 // [in, r]
	B []float32 // [r, out]
}

// Adapter is a set of factors. Usually every module of Config is adapted in every layer of Config; an adapter from
// elsewhere may leave some out, and a target without factors adds nothing.
type Adapter struct {
	Config  Config
	Factors map[arch.Target]Factors
	leveled bool // the factors are not those of the file that it was parsed from, see level
}

// New makes an adapter that adds nothing yet, as PEFT does: A uniform in ±1/√in, B zero. Each A depends on the seed and
// its target alone.
func New(cfg Config, base arch.Shape, seed uint64) (*Adapter, error) {
	cfg = cfg.canonical()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("make adapter: %w", err)
	}
	a := &Adapter{Config: cfg, Factors: map[arch.Target]Factors{}}
	layers := cfg.Layers
	if layers == nil {
		for l := range base.Layers {
			layers = append(layers, l)
		}
	}
	for _, l := range layers {
		for _, m := range cfg.Modules {
			in, out, err := base.Dims(m)
			if err != nil {
				return nil, fmt.Errorf("make adapter: %w", err)
			}
			f := Factors{make([]float32, in*cfg.Rank), make([]float32, cfg.Rank*out)}
			rng := rand.NewPCG(seed, uint64(l)<<8|uint64(slices.Index(base.Modules(), m)))
			bound := 1 / math.Sqrt(float64(in))
			for i := range f.A {
				f.A[i] = float32(bound * (2*float64(rng.Uint64()>>11)/(1<<53) - 1))
			}
			a.Factors[arch.Target{Layer: l, Module: m}] = f
		}
	}
	if err := a.CheckBase(base); err != nil {
		return nil, fmt.Errorf("make adapter: %w", err)
	}
	return a, nil
}

// Targets lists the adapted linear layers, in canonical order.
func (a *Adapter) Targets() []arch.Target {
	targets := make([]arch.Target, 0, len(a.Factors))
	for t := range a.Factors {
		targets = append(targets, t)
	}
	slices.SortFunc(targets, arch.Compare)
	return targets
}

// Dims is the input and output width of a target, from its factors.
func (a *Adapter) Dims(t arch.Target) (in, out int) {
	f := a.Factors[t]
	return len(f.A) / a.Config.Rank, len(f.B) / a.Config.Rank
}

// Scaled is a copy of a whose addition is multiplied by factor; B carries it.
func (a *Adapter) Scaled(factor float32) *Adapter {
	scaled := &Adapter{Config: a.Config.canonical(), Factors: make(map[arch.Target]Factors, len(a.Factors))}
	for t, f := range a.Factors {
		f = Factors{slices.Clone(f.A), slices.Clone(f.B)}
		for i := range f.B {
			f.B[i] *= factor
		}
		scaled.Factors[t] = f
	}
	return scaled
}

// CheckBase reports why a does not fit a base model of the given shape.
func (a *Adapter) CheckBase(base arch.Shape) error {
	if err := a.Check(); err != nil {
		return err
	}
	for _, t := range a.Targets() {
		if t.Layer >= base.Layers {
			return fmt.Errorf("fit adapter: it adapts %s, the base has %d layers", t, base.Layers)
		}
		in, out := a.Dims(t)
		wantIn, wantOut, err := base.Dims(t.Module)
		if err != nil {
			return fmt.Errorf("fit adapter: %w", err)
		}
		if in != wantIn || out != wantOut {
			return fmt.Errorf("fit adapter: %s is [%d, %d], in the base it is [%d, %d]", t, in, out, wantIn, wantOut)
		}
	}
	if a.Config.Layers == nil {
		if n := a.depth(); n != base.Layers {
			return fmt.Errorf("fit adapter: it adapts every layer of a model with %d, the base has %d", n, base.Layers)
		}
	}
	return nil
}

// depth is one more than the highest adapted layer.
func (a *Adapter) depth() int {
	n := 0
	for t := range a.Factors {
		n = max(n, t.Layer+1)
	}
	return n
}

// Check reports the first inconsistency between the configuration and the factors, or a value that is not finite.
func (a *Adapter) Check() error {
	if err := a.Config.check(); err != nil {
		return fmt.Errorf("check adapter: %w", err)
	}
	if len(a.Factors) == 0 {
		return fmt.Errorf("check adapter: it has no factors")
	}
	for _, t := range a.Targets() {
		if !slices.Contains(a.Config.Modules, t.Module) || t.Layer < 0 || t.Layer >= arch.MaxLayers ||
			a.Config.Layers != nil && !slices.Contains(a.Config.Layers, t.Layer) {
			return fmt.Errorf("check adapter: it has factors for %s, which its configuration does not name", t)
		}
		f := a.Factors[t]
		for _, side := range []struct {
			name   string
			values []float32
		}{{"A", f.A}, {"B", f.B}} {
			if len(side.values) == 0 || len(side.values)%a.Config.Rank != 0 {
				return fmt.Errorf("check adapter: %s of %s has %d values, not a multiple of the rank %d", side.name, t, len(side.values), a.Config.Rank)
			}
			for i, v := range side.values {
				if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
					return fmt.Errorf("check adapter: %s of %s holds %v at index %d; every value must be finite", side.name, t, v, i)
				}
			}
		}
	}
	return a.checkCover()
}

// checkCover checks that the configuration names nothing that no factor adapts.
func (a *Adapter) checkCover() error {
	layers, modules := map[int]bool{}, map[string]bool{}
	for t := range a.Factors {
		layers[t.Layer], modules[t.Module] = true, true
	}
	for _, m := range a.Config.Modules {
		if !modules[m] {
			return fmt.Errorf("check adapter: its configuration names %s, no layer has factors for it", m)
		}
	}
	want := a.Config.Layers
	if want == nil {
		for l := range a.depth() {
			want = append(want, l)
		}
		if !a.Regular() {
			return fmt.Errorf("check adapter: it leaves out %v; an adapter for all layers adapts the same modules in each", a.gap())
		}
	}
	for _, l := range want {
		if !layers[l] {
			return fmt.Errorf("check adapter: its configuration names layer %d, which has no factors", l)
		}
	}
	return nil
}

// gap is the first target that the adapted layers and modules would suggest and that has no factors.
func (a *Adapter) gap() *arch.Target {
	layers := a.Config.Layers
	if layers == nil {
		for l := range a.depth() {
			layers = append(layers, l)
		}
	}
	for _, l := range layers {
		for _, m := range a.Config.Modules {
			if _, ok := a.Factors[arch.Target{Layer: l, Module: m}]; !ok {
				return &arch.Target{Layer: l, Module: m}
			}
		}
	}
	return nil
}

// Regular reports whether every module is adapted in every layer that the configuration names.
func (a *Adapter) Regular() bool { return a.gap() == nil }

// Digest names the adapter: "sha256:" and the hash over its canonical adapter_config.json followed by its canonical
// adapter_model.safetensors.
func (a *Adapter) Digest() (string, error) {
	config, weights, err := a.Files()
	if err != nil {
		return "", err
	}
	return Digest(config, weights), nil
}

// Digest is the digest of an adapter's files as they are; of an Adapter only if they are the canonical ones.
func Digest(config, weights []byte) string {
	h := sha256.New()
	h.Write(config)
	h.Write(weights)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
