package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Options of a run over examples. Zero values are refused by Fit where they make no sense; a method whose field is zero is
// off, and a run without methods computes what it would compute if there were none.
type Options struct {
	Rate    float64 // peak learning rate
	Floor   float64 // share of it left at the end
	Warmup  float64 // share of the steps
	Decay   float64 // AdamW weight decay
	Clip    float64 // largest gradient norm, 0 for none
	Rows    int     // rows of a microbatch
	Columns int     // tokens of a row
	Micro   int     // microbatches that make one step
	Steps   int     // with Until, at most
	Seed    uint64
	Until   *Until // ends the run by what it has learned, nil for all steps; Fit fills its Ended

	// Objective, when not nil, is a part of the loss beside that of the source: it adds the gradient of one step at the
	// session's parameters to grads, and returns the loss and the input tokens. It draws from r alone. With it, Fit's source
	// may be nil.
	Objective func(r *rand.Rand, grads []float32) (loss float64, tokens int, err error)

	Penalties  []Penalty   // are added to the loss
	Projection *Projection // keeps steps from raising the loss on rehearsed sequences
	Rounds     Rounds      // interpolates between the beginning and the end of every few steps
	Sparse     *L1         // makes parameters, or their changes, exactly zero
	Observers  []Observer  // see each step
	Block      *Block      // is all that is trained, where not nil
}

// Penalty is a term of the objective beside the loss. Add adds its gradient to grads and returns its value, both in the
// units of the loss: nats per weighted token. Params and grads are flat vectors in the order of the session's shapes.
type Penalty interface {
	Add(params, grads []float32) (value float64)
}

// Observer sees each step: the gradient of the loss alone, without penalties, projection and clipping, and the parameters
// before and after. It keeps none of the slices and changes none.
type Observer interface {
	Observe(grads, before, after []float32)
}

// sized is what a method knows about the length of the parameter vector; 0 fits all.
type sized interface{ size() int }

// Step is what one optimizer step reports.
type Step struct {
	Step     int           `json:"step"`               // counted from 1
	Steps    int           `json:"steps"`              // of the run; with Until, at most, before its cooldown has begun
	Loss     float64       `json:"loss"`               // nats per weighted token, before the step, without penalties
	Penalty  float64       `json:"penalty,omitempty"`  // sum of the penalties, before the step
	Conflict bool          `json:"conflict,omitempty"` // the projection changed the gradient
	Rate     float64       `json:"lr"`
	Norm     float64       `json:"grad_norm"`          // of what the optimizer gets, before clipping
	Tokens   int           `json:"tokens"`             // input tokens of the step, without padding
	Learned  *float64      `json:"learned,omitempty"`  // what Until measured after the step, nil for nothing
	Sparsity float64       `json:"sparsity,omitempty"` // share of the parameters at L1's center, after the step
	Duration time.Duration `json:"duration"`
}

// Fit minimises the mean weighted token loss of what next gives, by AdamW with warm-up, cosine decay and clipping,
// starting from the session's parameters. It calls report after every step, and stops with ctx. With Until, what is learned
// decides how long it takes, and the learning rate follows that.
//
// A step takes the gradient of the loss, adds those of the penalties, projects and clips the sum, lets the optimizer step,
// interpolates where a round ends, and applies the soft threshold, in this order.
func Fit(ctx context.Context, s *Session, next Source, opt Options, report func(Step) error) error {
	if next == nil && opt.Objective == nil {
		return fmt.Errorf("fit: there is neither a source nor an objective")
	}
	if err := opt.check(len(s.params)); err != nil {
		return err
	}
	f := newFitting(s, next, opt)
	for step := 0; step < f.steps(); step++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		point, err := f.step(step)
		if err != nil {
			return fmt.Errorf("fit step %d: %w", step+1, err)
		}
		if err := report(point); err != nil {
			return err
		}
	}
	return nil
}

// check reports the first option that makes no sense for a vector of n parameters.
func (o Options) check(n int) error {
	if o.Rate <= 0 || o.Steps < 1 || o.Rows < 1 || o.Columns < 2 || o.Micro < 1 {
		return fmt.Errorf("fit: rate %g, steps %d, rows %d, columns %d and microbatches %d must be positive", o.Rate, o.Steps, o.Rows, o.Columns, o.Micro)
	}
	if o.Rounds.Length < 0 || o.Rounds.Length > 0 && !(o.Rounds.Share > 0 && o.Rounds.Share <= 1) {
		return fmt.Errorf("fit: rounds of %d steps with share %g; the length must not be negative and the share in (0,1]", o.Rounds.Length, o.Rounds.Share)
	}
	if o.Until != nil {
		if err := o.Until.check(); err != nil {
			return err
		}
	}
	if o.Projection != nil && (o.Projection.Source == nil || o.Projection.Micro < 1) {
		return fmt.Errorf("fit: the projection needs a source and at least one microbatch")
	}
	var methods []any
	for _, m := range o.Penalties {
		methods = append(methods, m)
	}
	if o.Sparse != nil {
		methods = append(methods, o.Sparse)
	}
	for _, m := range o.Observers {
		methods = append(methods, m)
	}
	if o.Block != nil {
		methods = append(methods, *o.Block)
	}
	for _, m := range methods {
		if s, ok := m.(sized); ok && s.size() != 0 && s.size() != n {
			return fmt.Errorf("fit: %T is made for %d parameters, the session has %d", m, s.size(), n)
		}
	}
	return nil
}

// fitting is one run of Fit.
type fitting struct {
	s         *Session
	next      Source
	opt       Options
	random    *rand.Rand
	rehearsal *rand.Rand // of the projection
	schedule  Schedule
	until     *progress // nil for all steps
	optimizer *AdamW
	sum       []float32 // the gradient
	loss      []float32 // the gradient of the loss alone, with observers
	before    []float32 // parameters before the step, with observers
	reference []float32 // the gradient of the projection's batch
	origin    []float32 // parameters at the beginning of the round
	start     []float32 // parameters at the beginning of the run, with a block
}

func newFitting(s *Session, next Source, opt Options) *fitting {
	n := len(s.params)
	f := &fitting{s: s, next: next, opt: opt, sum: make([]float32, n), optimizer: NewAdamW(n, opt.Decay)}
	f.random = rand.New(rand.NewPCG(opt.Seed, 0x6e69676874))       //nolint:gosec // reproducible, not secret
	f.rehearsal = rand.New(rand.NewPCG(opt.Seed, 0x7265686561727)) //nolint:gosec // reproducible, not secret
	f.schedule = Schedule{Rate: opt.Rate, Floor: opt.Floor, Warmup: max(1, int(math.Round(opt.Warmup*float64(opt.Steps)))), Steps: opt.Steps}
	if opt.Until != nil {
		f.until = &progress{Until: opt.Until, limit: opt.Steps}
		f.schedule.Warmup = max(minWarmup, int(math.Round(opt.Warmup*float64(opt.Until.Minimum))))
	}
	if len(opt.Observers) > 0 {
		f.loss, f.before = make([]float32, n), make([]float32, n)
	}
	if opt.Projection != nil {
		f.reference = make([]float32, n)
	}
	if opt.Rounds.Length > 0 {
		f.origin = slices.Clone(s.params)
	}
	if opt.Block != nil {
		f.start = slices.Clone(s.params)
	}
	return f
}

// step does one step, counted from 0.
func (f *fitting) step(step int) (Step, error) {
	begin := time.Now()
	loss, tokens, err := f.losses()
	if err != nil {
		return Step{}, err
	}
	f.only(f.sum)
	point := Step{Step: step + 1, Loss: loss, Tokens: tokens}
	if len(f.opt.Observers) > 0 {
		copy(f.loss, f.sum)
		copy(f.before, f.s.params)
	}
	for _, p := range f.opt.Penalties {
		point.Penalty += p.Add(f.s.params, f.sum)
	}
	f.only(f.sum)
	if f.opt.Projection != nil {
		if _, _, err := f.gradient(f.opt.Projection.Source, f.rehearsal, f.opt.Projection.Micro, f.reference); err != nil {
			return Step{}, fmt.Errorf("rehearsal gradient: %w", err)
		}
		f.only(f.reference)
		point.Conflict = Project(f.sum, f.reference)
	}
	point.Norm = ClipNorm(f.sum, f.opt.Clip)
	if total := loss + point.Penalty; !finite(total) || !finite(point.Norm) {
		return Step{}, fmt.Errorf("the loss is %g and the gradient norm %g; lower the learning rate", total, point.Norm)
	}
	point.Rate = f.rate(step)
	f.optimizer.Step(f.s.params, f.sum, point.Rate)
	if n := f.opt.Rounds.Length; n > 0 && ((step+1)%n == 0 || step+1 == f.steps()) {
		Interpolate(f.s.params, f.origin, f.opt.Rounds.Share)
		copy(f.origin, f.s.params)
	}
	if f.opt.Sparse != nil {
		point.Sparsity = f.opt.Sparse.Apply(f.s.params, point.Rate)
	}
	if f.opt.Block != nil {
		f.opt.Block.Restore(f.s.params, f.start)
	}
	for _, o := range f.opt.Observers {
		o.Observe(f.loss, f.before, f.s.params)
	}
	if f.until != nil {
		share, err := f.until.after(step + 1)
		if err != nil {
			return Step{}, err
		}
		if share >= 0 {
			point.Learned = &share
		}
	}
	point.Steps, point.Duration = f.steps(), time.Since(begin)
	return point, nil
}

// steps is how many steps the run has.
func (f *fitting) steps() int {
	if f.until != nil {
		return f.until.steps()
	}
	return f.opt.Steps
}

// rate is the learning rate of a step, counted from 0.
func (f *fitting) rate(step int) float64 {
	if f.until != nil {
		return f.opt.Rate * f.until.rate(step, f.schedule.Warmup)
	}
	return f.schedule.At(step)
}

// only clears gradients outside the block.
func (f *fitting) only(grads []float32) {
	if f.opt.Block != nil {
		f.opt.Block.Only(grads)
	}
}

// losses writes the gradient of a step's loss to sum.
func (f *fitting) losses() (loss float64, tokens int, err error) {
	clear(f.sum)
	if f.next != nil {
		if loss, tokens, err = f.gradient(f.next, f.random, f.opt.Micro, f.sum); err != nil {
			return 0, 0, err
		}
	}
	if f.opt.Objective != nil {
		more, extra, err := f.opt.Objective(f.random, f.sum)
		if err != nil {
			return 0, 0, fmt.Errorf("objective: %w", err)
		}
		loss, tokens = loss+more, tokens+extra
	}
	return loss, tokens, nil
}

// gradient draws micro microbatches and writes the gradient of their mean loss to sum.
func (f *fitting) gradient(next Source, random *rand.Rand, micro int, sum []float32) (loss float64, tokens int, err error) {
	batches := make([]Batch, 0, micro)
	var weight float64
	for range micro {
		for _, b := range Pack(next(random, f.opt.Rows, f.opt.Columns), f.opt.Rows, f.opt.Columns) {
			if b.Positions == 0 {
				continue
			}
			batches = append(batches, b)
			tokens += b.Tokens
			for _, w := range b.Weights {
				weight += float64(w)
			}
		}
	}
	if weight == 0 {
		return 0, 0, fmt.Errorf("no example carries loss")
	}
	loss, err = accumulate(f.s, batches, weight, sum)
	return loss, tokens, err
}

// accumulate sums the gradients of a step's batches into sum and returns the mean loss.
func accumulate(s *Session, batches []Batch, weight float64, sum []float32) (float64, error) {
	clear(sum)
	var total float64
	for _, b := range batches {
		loss, grads, err := s.Gradient(b, float32(1/weight), nil)
		if err != nil {
			return 0, err
		}
		total += loss
		for i, g := range grads {
			sum[i] += g
		}
	}
	return total, nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
