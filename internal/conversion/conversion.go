// Package conversion brings a model into another weight format and proves what that costs: it lets the float32 model read
// calibration text, converts the weights (models/quantize), and compares both models' log-probabilities of text that was held
// out, through the engine that serves.
//
// Where a conversion loses more than the limit, it is tried again with the linears that suffered most in a wider type. One that
// still loses too much is thrown away, and what was there before stays. Nothing here decides which
// format is served.
package conversion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"nightshift/internal/atomicfile"
	"nightshift/internal/engine"
	"nightshift/models/quantize"
)

// Options of a conversion.
type Options struct {
	quantize.Options
	CacheDir string
	Threads  int     // inside one operator; 0 is the number of usable processors
	Limit    float64 // nats per token that may be lost on held-out text
	Force    bool    // keep the conversion whatever it loses
	// Progress, which may be nil, is told what is done: the stage, and how much of it.
	Progress func(stage string, done, total int)
}

// Limits are the nats per token that a format may lose unless somebody says otherwise.
var Limits = map[string]float64{quantize.Int8: 0.005, quantize.Int4: 0.03}

// heldOut is how many of its sequences the text is divided by for measuring; the others calibrate.
const heldOut = 4

// Bounds on what is read, in tokens: more does not change the outcome.
const (
	maxCalibration = 16384
	maxMeasured    = 8192
)

// Report is the outcome of a conversion.
type Report struct {
	Format      string            `json:"format"`
	Base        string            `json:"base"` // digest
	Dir         string            `json:"dir"`
	Bytes       int64             `json:"bytes"`
	Linears     []quantize.Linear `json:"linears"`
	Text        string            `json:"text"`        // where it came from
	Calibrated  int               `json:"calibrated"`  // tokens
	Measured    int               `json:"measured"`    // tokens
	Float32     Loss              `json:"float32"`     // of the original
	Converted   Loss              `json:"converted"`   // of what was made
	Change      float64           `json:"change"`      // of the nats per token; positive is worse
	Uncertainty float64           `json:"uncertainty"` // standard error of Change
	Limit       float64           `json:"limit"`
	Attempts    int               `json:"attempts"` // each keeps more linears in a wider type than the one before
	Kept        bool              `json:"kept"`
}

// Loss is how badly a model predicts text.
type Loss struct {
	Nats       float64 `json:"nats_per_token"`
	Perplexity float64 `json:"perplexity"`
}

// ErrLoss says that a conversion loses more than its limit and was not kept.
var ErrLoss = errors.New("the conversion loses more than the limit and was not kept")

// Run converts the weights of a model and measures the result. With ErrLoss the report is complete.
func Run(ctx context.Context, model *engine.Model, text Text, opt Options) (Report, error) {
	r, err := run(ctx, model, text, opt)
	if err != nil {
		return r, fmt.Errorf("convert model to %s: %w", opt.Format, err)
	}
	return r, nil
}

func run(ctx context.Context, model *engine.Model, text Text, opt Options) (Report, error) {
	original := *model
	original.Quantized = nil
	final := quantize.Folder(opt.CacheDir, model.Checkpoint.Digest(), opt.Format)
	r := Report{Format: opt.Format, Base: model.Checkpoint.Digest(), Dir: final, Text: text.Source, Limit: opt.Limit}
	calibration, measured := text.split()
	if len(calibration) == 0 || len(measured) == 0 {
		return r, fmt.Errorf("the text has %d pieces; at least %d are needed, to calibrate and to measure", len(text.Sequences), heldOut)
	}
	activations, tokens, err := observe(ctx, &original, calibration, opt)
	if err != nil {
		return r, err
	}
	r.Calibrated = tokens
	before, err := logProbs(ctx, &original, measured, opt, "measure float32")
	if err != nil {
		return r, err
	}
	if err := os.MkdirAll(opt.CacheDir, 0o755); err != nil {
		return r, err
	}
	work, err := os.MkdirTemp(opt.CacheDir, "conversion-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(work)
	opt.Text, opt.Stop = text.digest(), func() error { return context.Cause(ctx) }
	made := quantize.Folder(work, model.Checkpoint.Digest(), opt.Format)
	for _, share := range wider {
		opt.Wider = append(opt.Wider, worst(r.Linears, opt.Format, share)...)
		if err := r.attempt(ctx, &original, activations, measured, before, opt, made); err != nil {
			return r, err
		}
		if opt.Force || r.Change <= opt.Limit {
			r.Kept = true
			return r, keep(made, final)
		}
	}
	return r, fmt.Errorf("%w: %.4f nats per token (limit %g)", ErrLoss, r.Change, opt.Limit)
}

// wider are the shares of the linears that each attempt moves to a wider type: the second and later ones after too great a loss.
var wider = []float64{0, 0.1, 0.25, 0.5}

// worst names a share of all linears: those in a format with the largest errors.
func worst(list []quantize.Linear, format string, share float64) (names []string) {
	left := slices.DeleteFunc(slices.Clone(list), func(l quantize.Linear) bool { return l.Weights != format || l.Error == nil })
	slices.SortStableFunc(left, func(a, b quantize.Linear) int { return cmp.Compare(*b.Error, *a.Error) })
	for _, l := range left[:min(len(left), int(math.Ceil(share*float64(len(list)))))] {
		names = append(names, l.Name)
	}
	return names
}

// attempt converts a model into made and compares it with what the original gives to the measured text.
func (r *Report) attempt(ctx context.Context, original *engine.Model, activations quantize.Activations, measured []Sequence, before []float32, opt Options, made string) error {
	var err error
	r.Attempts++
	r.Linears, err = quantize.Convert(original.Checkpoint, activations, opt.Options, made, func(done, total int) { opt.progress("convert", done, total) })
	if err != nil {
		return err
	}
	converted := *original
	if converted.Quantized, err = quantize.Open(made); err != nil {
		return err
	}
	if err := converted.Quantized.Check(original.Checkpoint.Shape(), original.Checkpoint.Digest()); err != nil {
		return err
	}
	r.Bytes = converted.Quantized.Bytes()
	after, err := logProbs(ctx, &converted, measured, opt, "measure "+opt.Format)
	if err != nil {
		return err
	}
	r.compare(before, after)
	return nil
}

// keep puts a conversion in its place at once.
func keep(made, final string) error {
	if err := os.MkdirAll(final, 0o755); err != nil {
		return err
	}
	return atomicfile.Move(filepath.Join(made, quantize.FileName), filepath.Join(final, quantize.FileName))
}

func (o *Options) progress(stage string, done, total int) {
	if o.Progress != nil {
		o.Progress(stage, done, total)
	}
}
