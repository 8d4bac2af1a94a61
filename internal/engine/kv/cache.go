// Package kv owns the memory that the engine's graphs read and write: keys and values of running sequences ([Cache]), those of known
// prompt prefixes ([Prefixes]), what prompts are computed in ([Staging]), the adapters ([AdapterBank], [AdapterSlots]) and logits
// ([Logits]). All of it is allocated, copied, given back and freed here and nowhere else in the engine.
//
// Invariants. Memory is reserved at once and taken from the system as it is used. It is freed once, after every tensor over it.
// A step that needs no other memory than the last one allocates none. What a row of a batch reads is not shared with another row.
//
// It does not decide whose memory is used when, and it is not safe for concurrent use: the engine's loop owns all of it but rows of the
// AdapterBank that are being written, which the engine's Bank keeps apart.
package kv

import (
	"errors"
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// layout is how keys and values of a model are laid out: of a position, for each layer and key-value head, size keys and size values.
type layout struct{ layers, heads, size int }

func layoutOf(cfg arch.Shape) layout { return layout{cfg.Layers, cfg.KVHeads, cfg.HeadSize} }

// floats is how many keys, or values, of one layer so many positions have.
func (l layout) floats(positions int) int { return positions * l.heads * l.size }

// bytes is the memory of keys and values of so many positions.
func (l layout) bytes(positions int) int { return 4 * 2 * l.layers * l.floats(positions) }

// Spare is how many bytes of rows that nobody uses are kept for the next sequences. To take memory anew costs a fault for each page.
const Spare = 64 << 20

// Cache is key/value memory for rows sequences of capacity positions each: per layer one key and one value array, row-major
// [rows, key-value heads, capacity, head size]. What a row costs follows its positions.
type Cache struct {
	layout
	capacity     int
	keys, values [][]float32 // of each layer
	touched      []int       // of each row, the positions that were used since its memory was last given back
}

// NewCache reserves a cache for a model.
func NewCache(cfg arch.Shape, rows, capacity int) *Cache {
	c := &Cache{layout: layoutOf(cfg), capacity: capacity, touched: make([]int, rows)}
	for range c.layers {
		c.keys = append(c.keys, ort.AlignedFloats(c.floats(rows*capacity)))
		c.values = append(c.values, ort.AlignedFloats(c.floats(rows*capacity)))
	}
	return c
}

// Close frees the memory once no tensor lies over it.
func (c *Cache) Close() error {
	var err error
	for l := range c.keys {
		err = errors.Join(err, ort.FreeFloats(c.keys[l]), ort.FreeFloats(c.values[l]))
	}
	c.keys, c.values = nil, nil
	return err
}

// Bind binds n rows from one on as past and present of every layer, in place. The tensors, also those made before an
// error, are the caller's to close.
func (c *Cache) Bind(binding *ort.Binding, from, n int) (tensors []*ort.Tensor, err error) {
	dims := []int64{int64(n), int64(c.heads), int64(c.capacity), int64(c.size)}
	row := c.floats(c.capacity)
	for l := range c.layers {
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

// Use notes that a run writes positions of a row up to the one before end.
func (c *Cache) Use(row, end int) { c.touched[row] = max(c.touched[row], end) }

// Bytes is the memory that the rows from one on have taken, but for parts of pages.
func (c *Cache) Bytes(from int) int {
	positions := 0
	for _, n := range c.touched[from:] {
		positions += n
	}
	return c.bytes(positions)
}

// Release gives back the memory of the rows from one on, once it is more than spare bytes.
func (c *Cache) Release(from, spare int) error {
	if c.Bytes(from) <= spare {
		return nil
	}
	var err error
	at := c.floats(from * c.capacity)
	for l := range c.keys {
		err = errors.Join(err, ort.ReleaseFloats(c.keys[l][at:]), ort.ReleaseFloats(c.values[l][at:]))
	}
	clear(c.touched[from:])
	return err
}

// CopyRow copies the first positions of a row of src into row to.
func (c *Cache) CopyRow(to int, src *Cache, from, positions int) {
	c.Use(to, positions)
	n := positions * c.size
	for l := range c.layers {
		for h := range c.heads {
			d := (to*c.heads + h) * c.capacity * c.size
			s := (from*c.heads + h) * src.capacity * c.size
			copy(c.keys[l][d:d+n], src.keys[l][s:s+n])
			copy(c.values[l][d:d+n], src.values[l][s:s+n])
		}
	}
}
