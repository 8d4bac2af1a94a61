package quantize

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/atomicfile"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/safetensors"
)

// FileName is the one file of a converted checkpoint.
const FileName = "model.safetensors"

// version is the version of the layout in docs/quantization.md.
const version = "3"

// Options say how a checkpoint is converted. Defaults fills them in.
type Options struct {
	Format string // Int8 or Int4
	// Alphas are tried for the smoothing of each linear that a norm or another linear feeds, beside none; see Activation.
	Alphas []float64
	// Worst4 and Worst8 are relative errors of a linear's outputs on calibration text. One that is beyond Worst4 in int4 is
	// kept in int8; one that is beyond Worst8 in int8 is kept in float32, but for the head.
	Worst4, Worst8 float64
	// Wider names linears that are kept in the next wider type whatever their error.
	Wider []string
	// Compact leaves out the int8 copies of int4 weights, see Checkpoint.Int8Copy.
	Compact bool
	// Text is the digest of the calibration text, for the record.
	Text string
	// Stop, which may be nil, is asked before each piece of work; its error ends the conversion.
	Stop func() error
}

// Defaults are the options of a format.
func Defaults(format string) Options {
	return Options{Format: format, Alphas: []float64{0.5, 0.35, 0.65, 0.8}, Worst4: 0.15, Worst8: 0.05}
}

// Linear is what became of one linear.
type Linear struct {
	Name    string   `json:"name"`
	Weights string   `json:"weights"`         // Int8, Int4 or Float32
	Alpha   float64  `json:"alpha,omitempty"` // of its smoothing, 0 for none
	Error   *float64 `json:"error,omitempty"` // relative error of its outputs on calibration text
}

// Convert writes the checkpoint in another format as dir/model.safetensors, which replaces what is there at once.
// activations may be nil: then nothing is smoothed, no bias corrected, and no linear kept back. Memory is bounded by a few
// times the largest tensor. progress, which may be nil, is called after each of total pieces of work.
func Convert(base *checkpoint.Checkpoint, activations Activations, opt Options, dir string, progress func(done, total int)) ([]Linear, error) {
	report, err := convert(base, activations, opt, dir, progress)
	if err != nil {
		return nil, fmt.Errorf("convert checkpoint %s to %s: %w", base.Digest(), opt.Format, err)
	}
	return report, nil
}

func convert(base *checkpoint.Checkpoint, activations Activations, opt Options, dir string, progress func(done, total int)) ([]Linear, error) {
	if opt.Format != Int8 && opt.Format != Int4 {
		return nil, fmt.Errorf("the formats are %s and %s", Int8, Int4)
	}
	for _, a := range opt.Alphas {
		if !(a >= 0 && a <= 1) {
			return nil, fmt.Errorf("alpha is %v, want 0 to 1", a)
		}
	}
	list := base.Shape().Linears()
	w := &writer{base: base, opt: opt, choices: map[string]choice{}}
	done, total := 0, 2*len(list)
	w.advance = func() {
		if done++; progress != nil {
			progress(min(done, total), total)
		}
	}
	var report []Linear
	for _, l := range list {
		if err := opt.stopped(); err != nil {
			return nil, err
		}
		a := activations[l.String()]
		if activations != nil && (a == nil || len(a.Max) != l.In || len(a.OutMean) != l.Out) {
			return nil, fmt.Errorf("the activations of %s are missing or have another width", l.String())
		}
		c, err := choose(base, l, a, opt)
		if err != nil {
			return nil, err
		}
		w.choices[l.String()] = c
		r := Linear{Name: l.String(), Weights: c.kind, Alpha: c.alpha}
		if e := c.error; c.kind != Float32 && !math.IsNaN(e) && !math.IsInf(e, 0) {
			r.Error = &e
		}
		report = append(report, r)
		w.advance()
	}
	tensors, err := w.tensors(list)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return report, atomicfile.Create(filepath.Join(dir, FileName), 0o644, func(to io.Writer) error {
		return safetensors.WriteRaw(to, tensors, w.metadata())
	})
}

func (o *Options) stopped() error {
	if o.Stop == nil {
		return nil
	}
	return o.Stop()
}

// writer turns choices into tensors.
type writer struct {
	base    *checkpoint.Checkpoint
	opt     Options
	choices map[string]choice    // by linear
	divided map[string][]float32 // by linear, [out]: what its outputs are divided by, for the linears that they feed
	advance func()
}

func (w *writer) metadata() map[string]string {
	alphas := make([]string, len(w.opt.Alphas))
	for i, a := range w.opt.Alphas {
		alphas[i] = strconv.FormatFloat(a, 'g', -1, 64)
	}
	bits := "8"
	if w.opt.Format == Int4 {
		bits = "4"
	}
	return map[string]string{"format": "nightshift-quantized", "version": version, "weights": w.opt.Format, "bits": bits, "block": strconv.Itoa(Block),
		"base": w.base.Digest(), "alpha": strings.Join(alphas, ","), "calibration": w.opt.Text}
}

// tensors lists what the file holds.
func (w *writer) tensors(list []arch.Linear) ([]safetensors.Raw, error) {
	w.divide(list)
	replaced := map[string][]float32{} // float32 tensors that differ from the checkpoint's
	var tensors []safetensors.Raw
	for _, l := range list {
		c := w.choices[l.String()]
		tensors = append(tensors, w.linear(c)...)
		bias, err := w.bias(c)
		if err != nil {
			return nil, err
		}
		if bias != nil {
			replaced[l.Bias] = bias
		}
		if c.smooth == nil {
			continue
		}
		tensors = append(tensors, floats(l.String()+".input_scale", c.smooth, int64(l.In)))
		for _, name := range l.Norm {
			values, err := w.base.Floats(name)
			if err != nil {
				return nil, err
			}
			for i := range values {
				values[i] /= c.smooth[i]
			}
			replaced[name] = values
		}
	}
	table, err := w.embedding()
	if err != nil {
		return nil, err
	}
	tensors = append(tensors, table...)
	written := map[string]bool{}
	for _, t := range tensors {
		written[t.Name] = true
	}
	for _, t := range w.base.Shape().Tensors() {
		if written[t.Name] {
			continue
		}
		values := replaced[t.Name]
		if values == nil {
			if values, err = w.base.Floats(t.Name); err != nil {
				return nil, err
			}
		}
		tensors = append(tensors, floats(t.Name, values, t.Dims...))
	}
	return tensors, nil
}

// divide collects what the outputs of linears are divided by.
func (w *writer) divide(list []arch.Linear) {
	w.divided = map[string][]float32{}
	for _, l := range list {
		smooth := w.choices[l.String()].smooth
		if l.Fed == nil || smooth == nil {
			continue
		}
		feeding := w.choices[l.Fed.Of.String()]
		by := slices.Repeat([]float32{1}, feeding.Out)
		for i, s := range smooth {
			by[l.Fed.Output(i)] = s
		}
		w.divided[feeding.String()] = by
	}
}

// bias is a linear's bias where it differs from the checkpoint's, nil elsewhere.
func (w *writer) bias(c choice) ([]float32, error) {
	by := w.divided[c.String()]
	if by == nil || c.Bias == "" {
		return c.bias, nil
	}
	bias := c.bias
	if bias == nil {
		var err error
		if bias, err = w.base.Floats(c.Bias); err != nil {
			return nil, err
		}
	}
	return quotients(bias, by, 1), nil
}

// quotients are values, n for each output, over what the outputs are divided by, nil for nothing.
func quotients(values, by []float32, n int) []float32 {
	if by == nil {
		return values
	}
	result := make([]float32, len(values))
	for i, v := range values {
		result[i] = v / by[i/n]
	}
	return result
}

func floats(name string, values []float32, shape ...int64) safetensors.Raw {
	return safetensors.Slice(name, shape, values).Raw()
}

// linear is the weight of a linear and its scales.
func (w *writer) linear(c choice) []safetensors.Raw {
	name, in, out, by := c.String()+".weight", int64(c.In), int64(c.Out), w.divided[c.String()]
	smoothed := func(visit func([]float32) error) error {
		if err := w.opt.stopped(); err != nil {
			return err
		}
		values, err := weightOf(w.base, c.Linear)
		if err != nil {
			return err
		}
		return visit(scaled(values, c.smooth))
	}
	weights := func(visit func([]float32) error) error {
		defer w.advance()
		return smoothed(visit)
	}
	switch c.kind {
	case Float32:
		read := func(visit func([]float32) error) error {
			return weights(func(values []float32) error { return visit(columnsOver(values, by)) })
		}
		return []safetensors.Raw{safetensors.Tensor{Name: name, Shape: []int64{in, out}, Read: read}.Raw()}
	case Int4:
		read := func(visit func([]byte) error) error {
			return weights(func(values []float32) error {
				packed := make([]byte, len(values)/2)
				pack4(packed, values, c.In, c.Out, c.scales)
				return visit(packed)
			})
		}
		tensors := []safetensors.Raw{{Name: name, Type: safetensors.U8, Shape: []int64{out, in / Block, Block / 2}, Read: read},
			floats(name+"_scale", quotients(c.scales, by, c.In/Block), int64(len(c.scales)))}
		if c.copy8 == nil {
			return tensors
		}
		copy8 := func(visit func([]byte) error) error {
			return smoothed(func(values []float32) error { return bytes8(c.read(values), c.copy8, visit) })
		}
		return append(tensors, safetensors.Raw{Name: copyOf(name), Type: safetensors.I8, Shape: []int64{in, out}, Read: copy8},
			floats(copyOf(name+"_scale"), quotients(c.copy8, by, 1), out))
	}
	read := func(visit func([]byte) error) error {
		return weights(func(values []float32) error { return bytes8(values, c.scales, visit) })
	}
	return []safetensors.Raw{{Name: name, Type: safetensors.I8, Shape: []int64{in, out}, Read: read}, floats(name+"_scale", quotients(c.scales, by, 1), out)}
}

// columnsOver are weights [in,out] with each column over what its output is divided by, nil for nothing.
func columnsOver(weights, by []float32) []float32 {
	if by == nil {
		return weights
	}
	result := make([]float32, len(weights))
	for i, v := range weights {
		result[i] = v / by[i%len(by)]
	}
	return result
}

// bytes8 hands on rows of int8 weights as bytes, some at a time.
func bytes8(weights, scales []float32, visit func([]byte) error) error {
	rows := max(1, 1<<20/len(scales)) * len(scales)
	values, data := make([]int8, min(rows, len(weights))), make([]byte, min(rows, len(weights)))
	for at := 0; at < len(weights); at += rows {
		part := weights[at:min(len(weights), at+rows)]
		round8(values[:len(part)], part, scales)
		for i, v := range values[:len(part)] {
			data[i] = byte(v)
		}
		if err := visit(data[:len(part)]); err != nil {
			return err
		}
	}
	return nil
}

// embedding is the token embedding as int8 and the scale of each token.
func (w *writer) embedding() ([]safetensors.Raw, error) {
	shape := w.base.Shape()
	name := shape.Embedding()
	table, err := w.base.Floats(name)
	if err != nil {
		return nil, err
	}
	values, scales := Rows8(table, shape.Width)
	data := make([]byte, len(values))
	for i, v := range values {
		data[i] = byte(v)
	}
	read := func(visit func([]byte) error) error { return visit(data) }
	return []safetensors.Raw{{Name: name, Type: safetensors.I8, Shape: []int64{int64(shape.Vocab), int64(shape.Width)}, Read: read},
		floats(name+"_scale", scales, int64(shape.Vocab), 1)}, nil
}
