package checkpoint

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nightshift/models/arch"
)

// TestPacks opens checkpoints that keep matrices apart and turned, and reads every tensor as it is made of the files'.
func TestPacks(t *testing.T) {
	dirs, err := filepath.Glob("../../onnx/llama/testdata/*/checkpoint")
	if err != nil || len(dirs) < 8 {
		t.Fatalf("found %d golden checkpoints, want at least 8 (%v)", len(dirs), err)
	}
	for _, dir := range dirs {
		if _, err := Open(dir, ""); err == nil || !strings.Contains(err.Error(), "name a cache folder") {
			t.Errorf("%s without a cache: %v", dir, err)
		}
		cache := t.TempDir()
		c, err := Open(dir, cache)
		if err != nil {
			t.Fatal(err)
		}
		stored := map[string][]float32{}
		for name, values := range storedTensors(t, dir) {
			stored[c.Shape().Canonical(name)] = values
		}
		tensors := map[string][]float32{}
		for _, tensor := range c.Shape().Tensors() {
			values, err := c.Floats(tensor.Name)
			if err != nil {
				t.Fatal(err)
			}
			tensors[tensor.Name] = values
			checkInitializer(t, c, tensor.Name, values)
			if err := isMadeOf(tensor, values, stored); err != nil {
				t.Errorf("%s: %v", dir, err)
			}
		}
		again, err := Open(dir, cache)
		if err != nil || again.Digest() != c.Digest() || again.Dir() != c.Dir() {
			t.Errorf("%s: opened again it is another (%v)", dir, err)
		}
		checkRewritten(t, c, tensors)
	}
}

// isMadeOf compares a tensor with the files' pieces of it, element by element.
func isMadeOf(tensor arch.Tensor, values []float32, stored map[string][]float32) error {
	columns, first := int(tensor.Dims[len(tensor.Dims)-1]), 0
	for _, p := range tensor.Files() {
		width := p.Width()
		for i, v := range values {
			row, column := i/columns, i%columns-first
			if column < 0 || column >= width {
				continue
			}
			at := row*width + column
			if p.Turned {
				at = column*len(values)/columns + row
			}
			if v != stored[p.Name][at] {
				return fmt.Errorf("element %d of %s is %g, element %d of %s is %g", i, tensor.Name, v, at, p.Name, stored[p.Name][at])
			}
		}
		first += width
	}
	if first != columns {
		return fmt.Errorf("the pieces of %s are %d wide, it is %d", tensor.Name, first, columns)
	}
	return nil
}

// checkRewritten writes the tensors as files keep them and opens those.
func checkRewritten(t *testing.T, c *Checkpoint, tensors map[string][]float32) {
	t.Helper()
	dir := t.TempDir()
	if err := Write(dir, c.Shape(), tensors); err != nil {
		t.Fatal(err)
	}
	rewritten, err := Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if rewritten.Digest() != c.Digest() || rewritten.Shape() != c.Shape() {
		t.Errorf("written anew it is %+v, was %+v", rewritten.Shape(), c.Shape())
	}
	for name, values := range tensors {
		if got, err := rewritten.Floats(name); err != nil || !reflect.DeepEqual(got, values) {
			t.Errorf("%s changed (%v)", name, err)
		}
	}
}
