package quantize

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/safetensors"
	"nightshift/onnx"
)

// base writes a small random checkpoint and opens it.
func base(t *testing.T, tied bool) *checkpoint.Checkpoint {
	t.Helper()
	cfg := arch.GPT2(arch.Shape{Layers: 2, Heads: 2, Width: 32, Context: 16, Vocab: 50, Inner: 96, Activation: "gelu_new", Epsilon: 1e-5,
		ScaleAttn: true, TiedHead: tied, EOS: 10, BOS: -1})
	dir := t.TempDir()
	if err := checkpoint.Write(dir, cfg, checkpoint.Random(cfg, 3)); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// seen invents activations for a checkpoint's linears.
func seen(c *checkpoint.Checkpoint) Activations {
	all := Activations{}
	for i, l := range c.Shape().Linears() {
		const rows = 16
		a := &Activation{Max: make([]float32, l.In), Mean: make([]float32, l.In), Square: make([]float32, l.In), Rows: normals(rows*l.In, uint64(i)),
			OutMean: make([]float32, l.Out), OutSqr: make([]float32, l.Out)}
		for at, v := range a.Rows {
			c := at % l.In
			if c == 3 {
				v *= 40
				a.Rows[at] = v
			}
			a.Max[c] = max(a.Max[c], abs(v))
			a.Mean[c] += v / rows
			a.Square[c] += v * v / rows
		}
		for o := range a.OutSqr {
			a.OutSqr[o] = 1
		}
		all[l.String()] = a
	}
	return all
}

func convertTo(t *testing.T, c *checkpoint.Checkpoint, acts Activations, opt Options) (*Checkpoint, []Linear) {
	t.Helper()
	dir := t.TempDir()
	last := 0
	report, err := Convert(c, acts, opt, dir, func(done, total int) {
		if done != last+1 || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	q, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Check(c.Shape(), c.Digest()); err != nil {
		t.Fatal(err)
	}
	return q, report
}

// content reads the bytes that an initializer points at.
func content(t *testing.T, c *Checkpoint, name string) (onnx.Tensor, []byte) {
	t.Helper()
	ref, err := c.Initializer(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(c.Dir(), ref.External.Location))
	if err != nil {
		t.Fatal(err)
	}
	return ref, data[ref.External.Offset : ref.External.Offset+ref.External.Length]
}

func values(t *testing.T, c *Checkpoint, name string) []float32 {
	t.Helper()
	ref, data := content(t, c, name)
	v := make([]float32, len(data)/4)
	if ref.Type != onnx.Float {
		t.Fatalf("%s is %v", name, ref.Type)
	}
	if err := safetensors.F32.Convert(v, data); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestConvertReadsBack converts without activations and reads every linear back.
func TestConvertReadsBack(t *testing.T) {
	for _, tied := range []bool{true, false} {
		for _, format := range []string{Int8, Int4} {
			c := base(t, tied)
			q, report := convertTo(t, c, nil, Defaults(format))
			if q.Format() != format || q.BaseDigest() != c.Digest() || q.Bytes() <= 0 || q.Text() != "" {
				t.Errorf("format %s of %s", q.Format(), q.BaseDigest())
			}
			for i, l := range c.Shape().Linears() {
				if report[i].Name != l.String() || report[i].Weights != format || report[i].Error != nil || q.InputScale(l.String()) != nil {
					t.Errorf("%+v", report[i])
				}
				want, err := weightOf(c, l)
				if err != nil {
					t.Fatal(err)
				}
				compareLinear(t, q, l, want)
				compareCopy(t, q, l)
			}
			if q.Int8Copies() != (format == Int4) {
				t.Errorf("%s has int8 copies: %v", format, q.Int8Copies())
			}
			if got, _ := c.Floats("h.1.ln_2.bias"); !equal(values(t, q, "h.1.ln_2.bias"), got) {
				t.Error("a bias changed")
			}
			table, _ := c.Floats("wte.weight")
			_, raw := content(t, q, "wte.weight")
			scales := values(t, q, "wte.weight_scale")
			for i, v := range table {
				if s := scales[i/32]; abs(float32(int8(raw[i]))*s-v) > 0.501*s {
					t.Fatalf("element %d of the embedding is %g, read back %g", i, v, float32(int8(raw[i]))*s)
				}
			}
		}
	}
}

func equal(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// compareLinear reads a linear by the published layout and compares it with weights [in,out].
func compareLinear(t *testing.T, q *Checkpoint, l arch.Linear, want []float32) {
	t.Helper()
	ref, raw := content(t, q, l.String()+".weight")
	scales := values(t, q, l.String()+".weight_scale")
	for i, w := range want {
		in, out := i/l.Out, i%l.Out
		var got, limit float32
		switch {
		case len(ref.Dims) == 3:
			scale := scales[out*(l.In/32)+in/32]
			nibble := raw[out*l.In/2+in/2] >> (4 * (in % 2)) & 15
			got, limit = (float32(nibble)-8)*scale, 5.5*abs(scale) // the ends may be clipped, up to 40 % of the range
		default:
			got, limit = float32(int8(raw[i]))*scales[out], 0.501*scales[out]
		}
		if abs(got-w) > limit {
			t.Fatalf("%s: weight %d,%d is %g, read back %g", l.String(), in, out, w, got)
		}
	}
}

// compareCopy reads the int8 copy of an int4 weight, which is what the weight says, rounded to int8; that of any other is itself.
func compareCopy(t *testing.T, q *Checkpoint, l arch.Linear) {
	t.Helper()
	ref, raw := content(t, q, l.String()+".weight")
	copy8, err := q.Int8Copy(l.String() + ".weight")
	if err != nil {
		t.Fatal(err)
	}
	if !q.Int8Copies() || len(ref.Dims) != 3 {
		if copy8.External.Offset != ref.External.Offset {
			t.Errorf("%s has a int8 copy", l.String())
		}
		return
	}
	if copy8.Type != onnx.Int8 || !slices.Equal(copy8.Dims, []int64{int64(l.In), int64(l.Out)}) {
		t.Fatalf("the int8 copy of %s is %v%v", l.String(), copy8.Type, copy8.Dims)
	}
	_, bytes := content(t, q, l.String()+".int8_weight")
	size := func(b byte) int { return max(int(int8(b)), -int(int8(b))) }
	scales4, scales8 := values(t, q, l.String()+".weight_scale"), values(t, q, l.String()+".int8_weight_scale")
	for i := range bytes {
		in, out := i/l.Out, i%l.Out
		want := (float32(raw[out*l.In/2+in/2]>>(4*(in%2))&15) - 8) * scales4[out*(l.In/32)+in/32]
		if got := float32(int8(bytes[i])) * scales8[out]; abs(got-want) > 0.501*scales8[out] {
			t.Fatalf("%s: weight %d,%d is %g, its int8 copy %g", l.String(), in, out, want, got)
		}
		if in%2 == 1 {
			if sum := size(bytes[i]) + size(bytes[i-l.Out]); sum > pairLimit {
				t.Fatalf("%s: weights %d and %d of output %d add up to %d", l.String(), in-1, in, out, sum)
			}
		}
	}
}

// TestCompact leaves the int8 copies out.
func TestCompact(t *testing.T) {
	c := base(t, true)
	opt := Defaults(Int4)
	whole, _ := convertTo(t, c, seen(c), opt)
	opt.Compact = true
	compact, _ := convertTo(t, c, seen(c), opt)
	if compact.Int8Copies() || 3*compact.Bytes() > 2*whole.Bytes() {
		t.Errorf("compact weights have %d bytes, with int8 copies %d", compact.Bytes(), whole.Bytes())
	}
	for _, l := range c.Shape().Linears() {
		_, a := content(t, whole, l.String()+".weight")
		_, b := content(t, compact, l.String()+".weight")
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs", l.String())
		}
		compareCopy(t, compact, l)
	}
	file := filepath.Join(whole.Dir(), FileName)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const one = "h.0.mlp.c_fc.int8_weight"
	if err := os.WriteFile(file, bytes.Replace(data, []byte(`"`+one+`"`), []byte(`"h.9.mlp.c_fc.int8_weight"`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	broken, err := Open(whole.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if err := broken.Check(c.Shape(), c.Digest()); err == nil || !strings.Contains(err.Error(), one) {
		t.Errorf("one int8 copy is missing: %v", err)
	}
}

// TestSmoothingKeepsTheProduct multiplies the parts that smoothing changes.
func TestSmoothingKeepsTheProduct(t *testing.T) {
	c := base(t, true)
	q, report := convertTo(t, c, seen(c), Defaults(Int8))
	smoothed := 0
	for i, l := range c.Shape().Linears() {
		s := q.InputScale(l.String())
		if (s != nil) != (report[i].Alpha > 0) || (s != nil && l.Norm == nil) {
			t.Errorf("%s: scale of %d, alpha %g", l.String(), len(s), report[i].Alpha)
		}
		if s == nil {
			continue
		}
		smoothed++
		if s[3] < 4*s[4] {
			t.Errorf("%s: the channel of outliers is divided by %g, its neighbour by %g", l.String(), s[3], s[4])
		}
		for _, name := range l.Norm {
			before, _ := c.Floats(name)
			for i, after := range values(t, q, name) {
				if abs(after*s[i]-before[i]) > 1e-6 {
					t.Fatalf("%s[%d] is %g times %g, want %g", name, i, after, s[i], before[i])
				}
			}
		}
		want, _ := weightOf(c, l)
		compareLinear(t, q, l, scaled(want, s))
	}
	if smoothed < 3 {
		t.Errorf("%d linears were smoothed", smoothed)
	}
}

// TestSmoothingOfWhatFeeds: where a linear's inputs are divided, the outputs that they are proportional to are as well, in every format.
func TestSmoothingOfWhatFeeds(t *testing.T) {
	cfg := arch.Llama(arch.Shape{Model: "qwen2", Layers: 1, Heads: 4, KVHeads: 2, Width: 64, Context: 16, Vocab: 50, Inner: 96, Epsilon: 1e-5, AttnBias: true, TiedHead: true, EOS: 1, BOS: -1})
	dir := t.TempDir()
	weights := checkpoint.Random(cfg, 3)
	for i := range weights["h.0.self_attn.qkv_proj.bias"] {
		weights["h.0.self_attn.qkv_proj.bias"][i] = 1 + float32(i%7)
	}
	if err := checkpoint.Write(dir, cfg, weights); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, opt := range []Options{Defaults(Int8), Defaults(Int4), {Format: Int8, Alphas: []float64{0.5}, Worst8: 1, Worst4: 1, Wider: []string{"h.0.mlp.gate_up_proj", "h.0.self_attn.qkv_proj"}}} {
		q, report := convertTo(t, c, seen(c), opt)
		for at, l := range cfg.Layer(0) {
			s := q.InputScale(l.String())
			if l.Fed == nil {
				continue
			}
			if s == nil || report[at].Alpha == 0 {
				t.Fatalf("%s is not smoothed", l)
			}
			divided := map[int]float32{}
			for i, v := range s {
				if o := l.Fed.Output(i); divided[o] != 0 && divided[o] != v {
					t.Errorf("%s: inputs of one output are divided by %g and %g", l, divided[o], v)
				} else {
					divided[o] = v
				}
			}
			checkDivided(t, c, q, l.Fed.Of, divided)
		}
	}
}

// checkDivided reads the outputs of a linear that were divided.
func checkDivided(t *testing.T, c *checkpoint.Checkpoint, q *Checkpoint, of arch.Target, divided map[int]float32) {
	t.Helper()
	l, _ := c.Shape().Holder(of)
	want, err := weightOf(c, l)
	if err != nil {
		t.Fatal(err)
	}
	want = scaled(want, q.InputScale(l.String()))
	for i := range want {
		if by := divided[i%l.Out]; by != 0 {
			want[i] /= by
		}
	}
	if ref, _ := content(t, q, l.String()+".weight"); ref.Type == onnx.Float {
		for i, v := range values(t, q, l.String()+".weight") {
			if abs(v-want[i]) > 1e-6*abs(want[i]) {
				t.Fatalf("%s: weight %d is %g, want %g", l, i, v, want[i])
			}
		}
	} else {
		compareLinear(t, q, l, want)
		compareCopy(t, q, l)
	}
	if l.Bias == "" {
		return
	}
	bias, _ := c.Floats(l.Bias)
	for o, v := range values(t, q, l.Bias) {
		if by := divided[o]; by != 0 && abs(v*by-bias[o]) > 0.2 || by == 0 && abs(v-bias[o]) > 0.2 { // rounding's share of it is small
			t.Errorf("%s: bias %d is %g, want %g over %g", l, o, v, bias[o], by)
		}
	}
}

// TestBiasTakesUpTheShift compares the mean output before and after.
func TestBiasTakesUpTheShift(t *testing.T) {
	c := base(t, true)
	acts := seen(c)
	q, _ := convertTo(t, c, acts, Defaults(Int4))
	const name = "h.0.mlp.c_proj"
	a, l := acts[name], c.Shape().Linears()[3]
	weights, _ := c.Floats(name + ".weight")
	before, _ := c.Floats(name + ".bias")
	after := values(t, q, name+".bias")
	_, raw := content(t, q, name+".weight")
	scales := values(t, q, name+".weight_scale")
	moved := false
	for o := range l.Out {
		want, got := float64(before[o]), float64(after[o])
		for i := range l.In {
			q4 := float32(raw[o*l.In/2+i/2]>>(4*(i%2))&15) - 8
			want += float64(a.Mean[i]) * float64(weights[i*l.Out+o])
			got += float64(a.Mean[i]) * float64(q4*scales[o*(l.In/32)+i/32])
		}
		if d := got - want; d > 1e-6 || d < -1e-6 {
			t.Errorf("the mean of output %d moved by %g", o, d)
		}
		moved = moved || before[o] != after[o]
	}
	if !moved {
		t.Error("no bias was corrected")
	}
}

// TestLinearsAreKeptBack sets thresholds that nothing meets.
func TestLinearsAreKeptBack(t *testing.T) {
	c := base(t, false)
	opt := Defaults(Int4)
	opt.Worst4 = 0
	_, report := convertTo(t, c, seen(c), opt)
	for _, l := range report {
		if l.Weights != Int8 {
			t.Errorf("%s is %s, want int8", l.Name, l.Weights)
		}
	}
	opt.Worst8 = 0
	q, report := convertTo(t, c, seen(c), opt)
	for _, l := range report {
		if want := map[bool]string{true: Int8, false: Float32}[l.Name == arch.HeadName]; l.Weights != want {
			t.Errorf("%s is %s, want %s", l.Name, l.Weights, want)
		}
	}
	for format, want := range map[string]string{Int4: Int8, Int8: Float32} {
		opt := Defaults(format)
		opt.Wider = []string{"h.1.mlp.c_proj"}
		_, report := convertTo(t, c, nil, opt)
		for _, l := range report {
			if kind := map[bool]string{true: want, false: format}[l.Name == "h.1.mlp.c_proj"]; l.Weights != kind {
				t.Errorf("%s is %s, want %s", l.Name, l.Weights, kind)
			}
		}
	}
	got := values(t, q, "h.1.mlp.c_fc.weight")
	if want, _ := c.Floats("h.1.mlp.c_fc.weight"); !equal(got, want) || q.Has("h.1.mlp.c_fc.weight_scale") {
		t.Error("a linear that was kept back changed")
	}
}

// TestSameBytes converts twice.
func TestSameBytes(t *testing.T) {
	c := base(t, true)
	acts := seen(c)
	for _, format := range []string{Int8, Int4} {
		opt := Defaults(format)
		opt.Worst4 = 0.1 // some of both
		first, _ := convertTo(t, c, acts, opt)
		again, _ := convertTo(t, c, acts, opt)
		read := func(dir string) []byte {
			data, err := os.ReadFile(filepath.Join(dir, FileName))
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		if !bytes.Equal(read(first.Dir()), read(again.Dir())) {
			t.Errorf("%s: two conversions differ", format)
		}
	}
}

func TestLoad(t *testing.T) {
	c, cache := base(t, true), t.TempDir()
	if _, err := Load(cache, c, Int8); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := Convert(c, nil, Defaults(Int8), Folder(cache, c.Digest(), Int8), nil); err != nil {
		t.Fatal(err)
	}
	q, err := Load(cache, c, Int8)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Check(c.Shape(), "sha256:00"); err == nil || !strings.Contains(err.Error(), "sha256:00") {
		t.Errorf("another model: %v", err)
	}
	cfg := c.Shape()
	cfg.Inner = 128
	if err := q.Check(cfg, c.Digest()); err == nil || !strings.Contains(err.Error(), "h.0.mlp.c_fc.weight") {
		t.Errorf("another shape: %v", err)
	}
	cfg = c.Shape()
	cfg.Layers = 1
	if err := q.Check(cfg, c.Digest()); err == nil || !strings.Contains(err.Error(), "has no place") {
		t.Errorf("a model of fewer layers: %v", err)
	}
	if _, err := q.Initializer("h.9.ln_1.bias"); err == nil {
		t.Error("a tensor that is not there was found")
	}
	file := filepath.Join(q.Dir(), FileName)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data[:len(data)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(cache, c, Int8); err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("a truncated file: %v", err)
	}
	if err := os.WriteFile(file, bytes.Replace(data, []byte(`"version":"`+version+`"`), []byte(`"version":"9"`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(cache, c, Int8); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "convert the model again") {
		t.Errorf("another version: %v", err)
	}
}

// stopAfter lets n pieces of work be done.
func stopAfter(n int) func() error {
	return func() error {
		if n--; n < 0 {
			return errors.New("asked to stop")
		}
		return nil
	}
}

func TestConvertRefuses(t *testing.T) {
	c := base(t, true)
	for name, test := range map[string]struct {
		change func(*Options, Activations)
		want   string
	}{
		"format":      {func(o *Options, _ Activations) { o.Format = "int3" }, "int8 and int4"},
		"alpha":       {func(o *Options, _ Activations) { o.Alphas = []float64{2} }, "alpha is 2"},
		"stop":        {func(o *Options, _ Activations) { o.Stop = stopAfter(3) }, "asked to stop"},
		"late stop":   {func(o *Options, _ Activations) { o.Stop = stopAfter(12) }, "asked to stop"},
		"activations": {func(_ *Options, a Activations) { delete(a, "h.1.attn.c_proj") }, "h.1.attn.c_proj"},
	} {
		opt, acts, dir := Defaults(Int8), seen(c), t.TempDir()
		test.change(&opt, acts)
		if _, err := Convert(c, acts, opt, dir, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("%s: files were left behind", name)
		}
	}
}
