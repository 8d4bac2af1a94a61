package bench

import "context"

// Roofline measures the machine's limits, in every way that it knows: reading 285 MB by one row times a matrix in ONNX
// Runtime, by a sum of rows in ONNX Runtime and by a loop in Go, multiplying float32 matrices, and multiplying matrices of
// bytes with unsigned and with signed weights. Each block takes the median of several passes.
func Roofline(ctx context.Context, opt Options, report Report) error {
	if err := opt.check(); err != nil {
		return err
	}
	m, err := NewMachine(opt.Threads)
	if err != nil {
		return err
	}
	defer m.Close()
	p := plan{bench: "roofline", options: opt, cases: []testCase{{run: func(context.Context, int) (measurement, error) {
		list, err := m.Bandwidths(limitPasses)
		if err != nil {
			return measurement{}, err
		}
		rate, err := m.MatrixRate(limitPasses)
		if err != nil {
			return measurement{}, err
		}
		int8, err := m.Int8Rates(limitPasses)
		return measurement{figures: append(append(list, Number{"matrix_gflop_s", rate}), int8...)}, err
	}}}}
	p.options.Shape = ""
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	return p.conclude(lines, lines[0], report)
}
