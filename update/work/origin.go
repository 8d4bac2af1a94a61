package work

import (
	"fmt"
	"math"
	"math/rand/v2"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// FastDir is what a run whose methods have a slow learner leaves behind for the next one: the fast learner.
const FastDir = "fast"

// blocks says whether the run learns a block of its own beside the champion's factors, which stay as they are.
func (w *worker) blocks() bool { return w.job.Train.Methods.Orthogonal > 0 && w.champion != nil }

// config is the adapter that the run trains: with a block, the champion's factors and the block's side by side.
func (w *worker) config() adapter.Config {
	c := w.job.config(w.model.Config.Layers)
	if w.blocks() {
		return c.Ranked(w.champion.Config.Rank + c.Rank)
	}
	return c
}

// trainable lists the adapted linears.
func (w *worker) trainable() (graphs.Trainable, error) {
	c := w.config()
	t := graphs.Trainable{Rank: c.Rank, Scale: c.Scale()}
	if t.Rank < 1 {
		return t, fmt.Errorf("train: rank is %d, it must be at least 1", t.Rank)
	}
	t.Targets = w.job.Train.targets(w.model.Config)
	if len(t.Targets) == 0 {
		return t, fmt.Errorf("train: no modules to adapt, choose some of %v", w.model.Config.Modules())
	}
	return t, nil
}

// start is the parameter vector that training begins with: the factors of the adapter that it goes on from, or for the base model A
// drawn as PEFT draws it (Kaiming uniform with a = √5: U(−1/√in, 1/√in)) and B zero. A block begins like the latter.
func (w *worker) start(trainable graphs.Trainable) ([]float32, error) {
	origin, kept := w.champion, 0
	if w.origin != nil {
		origin = w.origin
	}
	if origin != nil {
		kept = origin.Config.Rank
		if err := w.fits(origin, trainable); err != nil {
			return nil, err
		}
	}
	random := rand.New(rand.NewPCG(w.job.Seed, 0x6c6f7261)) //nolint:gosec // reproducible, not secret
	shapes, err := trainable.Parameters(w.model.Config)
	if err != nil {
		return nil, err
	}
	params := make([]float32, 0, train.Size(shapes))
	for _, t := range trainable.Targets {
		in, out, err := w.model.Config.Dims(t.Module)
		if err != nil {
			return nil, err
		}
		var f adapter.Factors
		if origin != nil {
			f = origin.Factors[t]
		}
		bound := 1 / math.Sqrt(float64(in))
		for i := range in {
			params = append(params, f.A[i*kept:(i+1)*kept]...)
			for range trainable.Rank - kept {
				params = append(params, float32((2*random.Float64()-1)*bound))
			}
		}
		params = append(append(params, f.B...), make([]float32, (trainable.Rank-kept)*out)...)
	}
	return params, nil
}

// fits reports why training cannot go on from an adapter.
func (w *worker) fits(a *adapter.Adapter, trainable graphs.Trainable) error {
	c, rank := a.Config, trainable.Rank
	if w.blocks() {
		rank -= w.job.Train.Rank
	}
	if c.Rank != rank || math.Abs(c.Scale()-trainable.Scale) > 1e-9 || len(a.Factors) != len(trainable.Targets) {
		return fmt.Errorf("train: the adapter to go on from has rank %d, scale %g and %d adapted linears, the job asks for %d, %g and %d; a night takes them over from its champion",
			c.Rank, c.Scale(), len(a.Factors), rank, trainable.Scale, len(trainable.Targets))
	}
	for _, t := range trainable.Targets {
		if _, ok := a.Factors[t]; !ok {
			return fmt.Errorf("train: the adapter to go on from does not adapt %s of layer %d, which the job asks for; a night takes the modules and layers over from its champion", t.Module, t.Layer)
		}
	}
	return nil
}

// served is the parameter vector of the version that serves, zeros for the base model.
func (w *worker) served(trainable graphs.Trainable) []float32 { return w.flat(w.champion, trainable) }

// flat is an adapter's parameters in the order of training; ranks that it does not have are zero, and so is the base model's adapter.
// Its scale must be trainable's.
func (w *worker) flat(a *adapter.Adapter, trainable graphs.Trainable) []float32 {
	var params []float32
	for _, t := range trainable.Targets {
		in, out, _ := w.model.Config.Dims(t.Module)
		var f adapter.Factors
		rank := 0
		if a != nil {
			f, rank = a.Factors[t], a.Config.Rank
		}
		for i := range in {
			params = append(append(params, f.A[i*rank:(i+1)*rank]...), make([]float32, trainable.Rank-rank)...)
		}
		params = append(append(params, f.B...), make([]float32, (trainable.Rank-rank)*out)...)
	}
	return params
}

// toAdapter cuts the flat vector into factors.
func toAdapter(cfg adapter.Config, shape arch.Shape, trainable graphs.Trainable, params []float32) *adapter.Adapter {
	a := &adapter.Adapter{Config: cfg, Factors: map[arch.Target]adapter.Factors{}}
	for _, t := range trainable.Targets {
		in, out, _ := shape.Dims(t.Module)
		n, m := in*cfg.Rank, cfg.Rank*out
		f := adapter.Factors{A: append([]float32(nil), params[:n]...), B: append([]float32(nil), params[n:n+m]...)}
		a.Factors[t] = f
		params = params[n+m:]
	}
	return a
}
