package conversion

import (
	"context"
	"fmt"

	"nightshift/internal/engine"
	"nightshift/models/quantize"
	"nightshift/onnx/families"
	"nightshift/onnx/ort"
)

// sampled is about how many inputs of each linear are kept as they are.
const sampled = 64

// rows are sequences packed into rows of equal length without padding.
type rows struct {
	columns                  int
	ids, positions, segments []int64
}

func (r *rows) count() int { return len(r.ids) / r.columns }

// pack fills rows with sequences, one segment each. What does not fit into its row is cut off, and so is the last row when
// it is not full: inputs of padding must not be looked at.
func pack(sequences []Sequence, columns, limit int) *rows {
	total := 0
	for _, s := range sequences {
		total += len(s.Tokens)
	}
	r := &rows{columns: min(columns, total)}
	used := 0
	for i, s := range sequences {
		if len(r.ids) >= limit {
			break
		}
		n := min(len(s.Tokens), r.columns-used)
		for at, id := range s.Tokens[:n] {
			r.ids, r.positions, r.segments = append(r.ids, int64(id)), append(r.positions, int64(at)), append(r.segments, int64(i+1))
		}
		used = (used + n) % r.columns
	}
	full := len(r.ids) - used
	r.ids, r.positions, r.segments = r.ids[:full], r.positions[:full], r.segments[:full]
	return r
}

// observe lets the model read sequences and returns what its linears saw, and how many tokens that was.
func observe(ctx context.Context, model *engine.Model, sequences []Sequence, opt Options) (quantize.Activations, int, error) {
	packed := pack(sequences, min(256, model.Config.Context), maxCalibration)
	if packed.count() == 0 {
		return nil, 0, fmt.Errorf("calibrate: the text has no tokens")
	}
	graph, err := families.Of(model.Config).Calibrate(model.Checkpoint.Initializer)
	if err != nil {
		return nil, 0, err
	}
	encoded, err := graph.Encode()
	if err != nil {
		return nil, 0, err
	}
	session, err := ort.NewSession(encoded, ort.SessionConfig{Threads: opt.Threads, ExternalDir: model.Checkpoint.Dir(), DisablePrepacking: true})
	if err != nil {
		return nil, 0, fmt.Errorf("open calibration session: %w", err)
	}
	defer session.Close()
	o := &observer{seen: quantize.Activations{}}
	for _, l := range model.Config.Linears() {
		o.names = append(o.names, l.String())
	}
	batch := max(1, 512/packed.columns)
	for at := 0; at < packed.count(); at += batch {
		opt.progress("calibrate", at, packed.count())
		if err := o.run(ctx, session, packed, at, min(packed.count(), at+batch)); err != nil {
			return nil, 0, fmt.Errorf("calibrate: %w", err)
		}
	}
	opt.progress("calibrate", packed.count(), packed.count())
	return o.seen, len(packed.ids), nil
}

// observer adds up what runs of the calibration graph give.
type observer struct {
	names  []string
	seen   quantize.Activations
	tokens int // so far
}

// run reads rows [from, to).
func (o *observer) run(ctx context.Context, session *ort.Session, packed *rows, from, to int) error {
	in, out := map[string]*ort.Tensor{}, map[string]*ort.Tensor{}
	defer func() {
		for _, m := range []map[string]*ort.Tensor{in, out} {
			for _, t := range m {
				if t != nil {
					t.Close()
				}
			}
		}
	}()
	c, n := packed.columns, to-from
	dims := []int64{int64(n), int64(c)}
	index := samples(n*c, max(1, (sampled*n+packed.count()-1)/packed.count()))
	for name, t := range map[string]struct {
		data []int64
		dims []int64
	}{"input_ids": {packed.ids[from*c : to*c], dims}, "position_ids": {packed.positions[from*c : to*c], dims},
		"segment_ids": {packed.segments[from*c : to*c], dims}, "sample_index": {index, []int64{int64(len(index))}}} {
		var err error
		if in[name], err = ort.NewTensor(t.dims, t.data); err != nil {
			return err
		}
	}
	for _, info := range session.Outputs() {
		out[info.Name] = nil
	}
	if err := session.RunContext(ctx, in, out); err != nil {
		return err
	}
	for _, name := range o.names {
		o.add(name, n*c, func(kind string) []float32 { return ort.Data[float32](out[kind+"."+name]) })
	}
	o.tokens += n * c
	return nil
}

// samples are n of the numbers below total, evenly spread.
func samples(total, n int) []int64 {
	n = min(n, total)
	index := make([]int64, n)
	for i := range index {
		index[i] = int64((2*i + 1) * total / (2 * n))
	}
	return index
}

// add merges what one run saw of a linear over n tokens. Its outputs are copied: they do not outlive the run.
func (o *observer) add(name string, n int, value func(kind string) []float32) {
	a := o.seen[name]
	if a == nil {
		a = &quantize.Activation{Max: make([]float32, len(value("max")))}
		for _, m := range []struct {
			to   *[]float32
			kind string
		}{{&a.Mean, "mean"}, {&a.Square, "square"}, {&a.OutMean, "out_mean"}, {&a.OutSqr, "out_square"}} {
			*m.to = make([]float32, len(value(m.kind)))
		}
		o.seen[name] = a
	}
	for c, v := range value("max") {
		a.Max[c] = max(a.Max[c], v)
	}
	share := float32(float64(n) / float64(o.tokens+n))
	for kind, mean := range map[string][]float32{"mean": a.Mean, "square": a.Square, "out_mean": a.OutMean, "out_square": a.OutSqr} {
		for c, v := range value(kind) {
			mean[c] += (v - mean[c]) * share
		}
	}
	a.Rows = append(a.Rows, value("rows")...)
}
