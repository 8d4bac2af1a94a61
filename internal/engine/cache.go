package engine

import (
	"errors"
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// cache is key/value memory for rows sequences of capacity positions each: per layer one key and one value array,
// row-major [rows, key-value heads, capacity, head size]. The memory is reserved at once and touched as it is used, so what a
// row costs follows its tokens.
type cache struct {
	cfg            arch.Shape
	rows, capacity int
	keys, values   [][]float32
	touched        []int // of each row, the positions that were used since its memory was last given back
}

func newCache(cfg arch.Shape, rows, capacity int) *cache {
	c := &cache{cfg: cfg, rows: rows, capacity: capacity, touched: make([]int, rows)}
	for range cfg.Layers {
		c.keys = append(c.keys, ort.AlignedFloats(rows*cfg.KVWidth()*capacity))
		c.values = append(c.values, ort.AlignedFloats(rows*cfg.KVWidth()*capacity))
	}
	return c
}

// close frees the memory once no tensor lies over it.
func (c *cache) close() error {
	var err error
	for l := range c.keys {
		err = errors.Join(err, ort.FreeFloats(c.keys[l]), ort.FreeFloats(c.values[l]))
	}
	c.keys, c.values = nil, nil
	return err
}

// bind binds n rows from one on as past and present of every layer, in place. The tensors, also those made before an
// error, are the caller's to close.
func (c *cache) bind(binding *ort.Binding, from, n int) (tensors []*ort.Tensor, err error) {
	dims := []int64{int64(n), int64(c.cfg.KVHeads), int64(c.capacity), int64(c.cfg.HeadSize)}
	row := c.cfg.KVWidth() * c.capacity
	for l := range c.cfg.Layers {
		for _, side := range []struct {
			past, present string
			data          []float32
		}{{graphs.PastKey(l), graphs.PresentKey(l), c.keys[l]}, {graphs.PastValue(l), graphs.PresentValue(l), c.values[l]}} {
			t, err := ort.NewTensor(dims, side.data[from*row:][:n*row])
			if err != nil {
				return tensors, fmt.Errorf("bind cache: %w", err)
			}
			tensors = append(tensors, t)
			if err := binding.Input(side.past, t); err != nil {
				return tensors, err
			}
			if err := binding.Output(side.present, t); err != nil {
				return tensors, err
			}
		}
	}
	return tensors, nil
}

// bytes is the memory that the rows from used on have taken, but for parts of pages.
func (c *cache) bytes(used int) int {
	positions := 0
	for _, n := range c.touched[used:] {
		positions += n
	}
	return positions * 2 * c.cfg.Layers * c.cfg.KVWidth() * 4
}

// mostSpare is how many bytes of rows that nobody uses are kept for the next sequences. To take memory anew costs a fault for each page.
const mostSpare = 64 << 20

// release gives back the memory of the rows from used on, once it is more than most bytes.
func (c *cache) release(used, most int) error {
	if c.bytes(used) <= most {
		return nil
	}
	var err error
	from := used * c.cfg.KVWidth() * c.capacity
	for l := range c.keys {
		err = errors.Join(err, ort.ReleaseFloats(c.keys[l][from:]), ort.ReleaseFloats(c.values[l][from:]))
	}
	clear(c.touched[used:])
	return err
}

// copyRow copies the first used positions of a row of src into a row of c.
func (c *cache) copyRow(to int, src *cache, from, used int) {
	size := c.cfg.HeadSize
	c.touched[to] = max(c.touched[to], used)
	for l := range c.cfg.Layers {
		for h := range c.cfg.KVHeads {
			d := (to*c.cfg.KVHeads + h) * c.capacity * size
			s := (from*c.cfg.KVHeads + h) * src.capacity * size
			copy(c.keys[l][d:d+used*size], src.keys[l][s:s+used*size])
			copy(c.values[l][d:d+used*size], src.values[l][s:s+used*size])
		}
	}
}
