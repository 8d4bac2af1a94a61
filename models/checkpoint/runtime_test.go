package checkpoint

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nightshift/onnx"
	"nightshift/onnx/ort"
)

// TestRuntimeReadsEveryReference loads each tensor of each golden checkpoint as external data in ONNX Runtime: whole
// files, shards, links, converted caches, and data at an odd offset.
func TestRuntimeReadsEveryReference(t *testing.T) {
	ort.ForTest(t)
	linked := t.TempDir()
	link(t, golden("sharded"), linked, func(int) string { return t.TempDir() })
	dirs := []string{linked}
	for _, name := range []string{"plain", "half", "bfloat", "sharded", "buffers"} {
		dirs = append(dirs, golden(name))
	}
	for _, dir := range dirs {
		c, err := Open(dir, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range throughRuntime(t, c) {
			want, err := c.Floats(strings.TrimPrefix(name, "out."))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(ort.Data[float32](got), want) {
				t.Errorf("%s: the runtime reads another %s", filepath.Base(filepath.Dir(dir)), name)
			}
			got.Close()
		}
	}
}

// throughRuntime multiplies every tensor by one, an input, so that nothing is folded away.
func throughRuntime(t *testing.T, c *Checkpoint) map[string]*ort.Tensor {
	t.Helper()
	g := onnx.NewGraph("references")
	one := g.Input("one", onnx.Float, onnx.N(1))
	out := map[string]*ort.Tensor{}
	for _, name := range c.Names() {
		ref, err := c.Initializer(name)
		if err != nil {
			t.Fatal(err)
		}
		g.Output("out."+name, g.Mul(g.Initializer(name, ref), one))
		out["out."+name] = nil
	}
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	model, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ort.NewSession(model, ort.SessionConfig{Threads: 1, ExternalDir: c.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x, err := ort.NewTensor([]int64{1}, []float32{1})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := s.Run(map[string]*ort.Tensor{"one": x}, out); err != nil {
		t.Fatal(err)
	}
	return out
}
