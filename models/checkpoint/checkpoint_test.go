package checkpoint

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

// tiny is a config small enough to spell out.
func tiny() arch.Shape {
	return arch.GPT2(arch.Shape{Layers: 2, Heads: 2, Width: 16, Context: 8, Vocab: 11, Inner: 24, Activation: "gelu_new", Epsilon: 1e-5,
		ScaleAttn: true, TiedHead: true, EOS: 10, BOS: -1})
}

func TestWriteOpenRoundTrip(t *testing.T) {
	for _, tied := range []bool{true, false} {
		cfg := tiny()
		cfg.TiedHead = tied
		cfg.ScaleAttnByLayer = !tied
		want := Random(cfg, 7)
		dir := t.TempDir()
		if err := Write(dir, cfg, want); err != nil {
			t.Fatal(err)
		}
		c, err := Open(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		if c.Shape() != cfg {
			t.Errorf("config: got %+v, want %+v", c.Shape(), cfg)
		}
		for name, values := range want {
			got, err := c.Floats(name)
			if err != nil || !reflect.DeepEqual(got, values) {
				t.Errorf("%s differs after a round trip (%v)", name, err)
			}
			checkInitializer(t, c, name, values)
		}
		if _, err := c.Floats("h.2.ln_1.weight"); err == nil {
			t.Error("a tensor that is not there was read")
		}
		if _, err := c.Initializer("transformer.wte.weight"); err == nil {
			t.Error("a name with prefix was found")
		}
	}
}

// checkInitializer reads the bytes that the external reference names.
func checkInitializer(t *testing.T, c *Checkpoint, name string, want []float32) {
	t.Helper()
	ref, err := c.Initializer(name)
	if err != nil {
		t.Fatal(err)
	}
	tensor, _ := c.Shape().Tensor(name)
	if !reflect.DeepEqual(ref.Dims, tensor.Dims) || filepath.Base(ref.External.Location) != ref.External.Location {
		t.Errorf("%s: reference %+v with dimensions %v, want %v", name, *ref.External, ref.Dims, tensor.Dims)
	}
	data, err := os.ReadFile(filepath.Join(c.Dir(), ref.External.Location))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(want))
	raw := data[ref.External.Offset : ref.External.Offset+ref.External.Length]
	if err := safetensors.F32.Convert(got, raw); err != nil || len(raw) != 4*len(want) || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: the referenced bytes are not the tensor (%v)", name, err)
	}
}

func TestWriteIsCanonicalAndRandomIsSeeded(t *testing.T) {
	cfg := tiny()
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if err := Write(dir, cfg, Random(cfg, 3)); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"config.json", "model.safetensors"} {
		x, y := read(t, filepath.Join(a, file)), read(t, filepath.Join(b, file))
		if x != y {
			t.Errorf("%s differs between two writes of the same checkpoint", file)
		}
	}
	if reflect.DeepEqual(Random(cfg, 3)["wte.weight"], Random(cfg, 4)["wte.weight"]) {
		t.Error("two seeds gave the same weights")
	}
}

func TestRandomHasTheStatedDeviations(t *testing.T) {
	cfg := tiny()
	cfg.Width, cfg.Inner, cfg.Vocab = 64, 256, 400
	for name, want := range map[string]float64{
		"wte.weight": 0.02, "h.1.mlp.c_fc.weight": 0.02, "h.0.attn.c_proj.weight": 0.01, "h.1.mlp.c_proj.weight": 0.01,
		"h.0.ln_1.bias": 0, "h.0.mlp.c_fc.bias": 0,
	} {
		sum, squares := 0.0, 0.0
		values := Random(cfg, 1)[name]
		for _, v := range values {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		n := float64(len(values))
		deviation := math.Sqrt(squares / n)
		if math.Abs(deviation-want) > 5*want/math.Sqrt(2*n) || math.Abs(sum/n) > 5*want/math.Sqrt(n) {
			t.Errorf("%s: mean %.5f, deviation %.5f, want 0 and %.5f", name, sum/n, deviation, want)
		}
	}
}

func TestDigestDependsOnValuesAndConfig(t *testing.T) {
	digest := func(cfg arch.Shape, tensors map[string][]float32) string {
		dir := t.TempDir()
		if err := Write(dir, cfg, tensors); err != nil {
			t.Fatal(err)
		}
		c, err := Open(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		return c.Digest()
	}
	cfg := tiny()
	tensors := Random(cfg, 1)
	for _, values := range tensors { // exact on every machine
		for i := range values {
			values[i] = float32(i%64) / 32
		}
	}
	first := digest(cfg, tensors)
	if want := "sha256:9aa35e487a17e4e2ccf9e2fdc9452037642ef38973e182a6f3cb61af78159ffe"; first != want {
		t.Errorf("digest: got %s, want %s: a changed digest disowns every published adapter", first, want)
	}
	other := cfg
	other.EOS = 3
	if digest(other, tensors) != first {
		t.Error("the end-of-text id changed the digest")
	}
	other.ScaleAttn = false
	if digest(other, tensors) == first {
		t.Error("scale_attn_weights did not change the digest")
	}
	tensors["ln_f.bias"][5] = math.Float32frombits(1)
	if digest(cfg, tensors) == first {
		t.Error("one bit did not change the digest")
	}
}

func TestVerificationIsRememberedAndForgotten(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	cfg := tiny()
	if err := Write(dir, cfg, Random(cfg, 1)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "model.safetensors")
	past := time.Now().Add(-time.Hour)
	touch := func(at time.Time) {
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	touch(past)
	if _, err := Open(dir, cache); err != nil {
		t.Fatal(err)
	}
	data := []byte(read(t, file))
	for i := range 4 {
		data[len(data)-1-i] = 0xff
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	touch(past)
	if _, err := Open(dir, cache); err != nil {
		t.Errorf("a file with the size and time of a verified one was read again: %v", err)
	}
	touch(past.Add(time.Nanosecond))
	if _, err := Open(dir, cache); err == nil || !strings.Contains(err.Error(), "finite") {
		t.Errorf("a changed file was not read again: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*arch.Shape, map[string][]float32)
		want   string
	}{
		"missing": {func(c *arch.Shape, m map[string][]float32) { delete(m, "h.1.ln_2.bias") }, "h.1.ln_2.bias is missing"},
		"extra":   {func(c *arch.Shape, m map[string][]float32) { m["lm_head.weight"] = nil }, "lm_head.weight has no place"},
		"short":   {func(c *arch.Shape, m map[string][]float32) { m["wpe.weight"] = m["wpe.weight"][1:] }, "[8 16] needs 128"},
		"nan":     {func(c *arch.Shape, m map[string][]float32) { m["wpe.weight"][3] = float32(math.NaN()) }, "wpe.weight holds NaN at index 3"},
		"heads":   {func(c *arch.Shape, m map[string][]float32) { c.Heads = 4 }, "heads of width 4"},
	} {
		cfg := tiny()
		tensors := Random(cfg, 1)
		tc.change(&cfg, tensors)
		if err := Write(t.TempDir(), cfg, tensors); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// raw is a tensor for files that Write would never make.
type raw struct {
	dtype string
	shape []int64
	data  []byte
}

// rawFile encodes tensors as they are, in the given order, with pad spaces after the header.
func rawFile(names []string, tensors map[string]raw, pad int) []byte {
	header, data := "{", []byte{}
	for i, name := range names {
		r := tensors[name]
		entry, _ := json.Marshal(map[string]any{"dtype": r.dtype, "shape": r.shape, "data_offsets": []int{len(data), len(data) + len(r.data)}})
		key, _ := json.Marshal(name)
		if i > 0 {
			header += ","
		}
		header += string(key) + ":" + string(entry)
		data = append(data, r.data...)
	}
	header += "}" + strings.Repeat(" ", pad)
	n := len(header)
	out := []byte{byte(n), byte(n >> 8), byte(n >> 16), 0, 0, 0, 0, 0}
	return append(append(out, header...), data...)
}

func floatBytes(values []float32) []byte {
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		u := math.Float32bits(v)
		out = append(out, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	return out
}

// rawTensors is a tiny checkpoint as raw tensors under the given prefix.
func rawTensors(cfg arch.Shape, prefix string) map[string]raw {
	tensors := map[string]raw{}
	for name, values := range Random(cfg, 1) {
		tensor, _ := cfg.Tensor(name)
		tensors[prefix+name] = raw{"F32", tensor.Dims, floatBytes(values)}
	}
	return tensors
}

func sortedNames(m map[string]raw) []string { return slices.Sorted(maps.Keys(m)) }
