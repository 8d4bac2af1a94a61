package kv

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"nightshift/models/arch"
	"nightshift/onnx/ort"
)

// Prefixes is the prefix cache: it keeps the keys and values of prompt prefixes, so that a system prompt is computed once per version. An entry
// holds the positions of one chunk of the prefill grid, and is found by the version's digest and all tokens up to its end:
// what was computed for another version, or after another prefix, is never found. Entries come from prefilled positions
// alone and end on the grid, so that an answer after a hit has the bits of an answer without one.
//
// The least recently used entries make room within the byte budget. Entries are copied in and out, never referred to: there
// is nothing to pin. The loop's goroutine owns it.
type Prefixes struct {
	layout
	chunk   int
	limit   int // entries
	entries map[string]*prefixEntry
	idle    [][]float32 // memory of evicted entries
	clock   uint64
	key     []byte // scratch

	Lookups, Evictions, Memory atomic.Int64 // read from any goroutine; Memory is in bytes
}

// prefixEntry is one chunk: for each layer keys and then values, row-major [heads, chunk, head size].
type prefixEntry struct {
	data []float32
	used uint64
}

// NewPrefixes makes a cache of at most budget bytes; less than one entry switches it off.
func NewPrefixes(cfg arch.Shape, chunk int, budget int64) *Prefixes {
	p := &Prefixes{layout: layoutOf(cfg), chunk: chunk, entries: map[string]*prefixEntry{}}
	p.limit = int(budget / p.EntryBytes())
	return p
}

// EntryBytes is the memory of one entry.
func (p *Prefixes) EntryBytes() int64 { return int64(p.bytes(p.chunk)) }

// Count counts a prompt that is looked up.
func (p *Prefixes) Count() {
	if p.limit > 0 {
		p.Lookups.Add(1)
	}
}

// Known is the length of the longest known prefix of tokens, at most limit positions, when the first from positions, which end
// on the grid, need not be known.
func (p *Prefixes) Known(digest string, tokens []int32, from, limit int) int {
	n := from
	for p.limit > 0 && n+p.chunk <= limit && p.entries[string(p.name(digest, tokens[:n+p.chunk]))] != nil {
		n += p.chunk
	}
	return n
}

// Find copies the positions from from on of the longest known prefix of tokens, see Known, into row 0 of c and returns its length.
func (p *Prefixes) Find(digest string, tokens []int32, from, limit int, c *Cache) int {
	n := p.Known(digest, tokens, from, limit)
	if n == from {
		return n
	}
	for end := n; end > 0; end -= p.chunk { // a prefix is younger than what follows it, which is useless without it
		e := p.entries[string(p.name(digest, tokens[:end]))]
		if e == nil { // evicted, and in c already
			continue
		}
		p.clock++
		e.used = p.clock
		if end > from {
			p.move(c, end-p.chunk, e.data, false)
		}
	}
	c.Use(0, n)
	return n
}

// Add keeps the chunk that ends tokens, whose positions lie in row 0 of c.
func (p *Prefixes) Add(digest string, tokens []int32, c *Cache) {
	if p.limit == 0 || len(tokens)%p.chunk != 0 {
		return
	}
	key := string(p.name(digest, tokens))
	if p.entries[key] != nil {
		return
	}
	for len(p.entries) >= p.limit {
		p.evict()
	}
	e := &prefixEntry{}
	if n := len(p.idle); n > 0 {
		e.data, p.idle = p.idle[n-1], p.idle[:n-1]
	} else {
		e.data = ort.AlignedFloats(int(p.EntryBytes() / 4))
	}
	p.clock++
	e.used = p.clock
	p.move(c, len(tokens)-p.chunk, e.data, true)
	p.entries[key] = e
	p.Memory.Store(int64(len(p.entries)) * p.EntryBytes())
}

// name is the key of a prefix.
func (p *Prefixes) name(digest string, tokens []int32) []byte {
	p.key = append(append(p.key[:0], digest...), 0)
	for _, t := range tokens {
		p.key = binary.LittleEndian.AppendUint32(p.key, uint32(t)) //nolint:gosec // a token id, not negative
	}
	return p.key
}

// evict frees the least recently used entry.
func (p *Prefixes) evict() {
	oldest := ""
	for key, e := range p.entries {
		if oldest == "" || e.used < p.entries[oldest].used {
			oldest = key
		}
	}
	p.idle = append(p.idle, p.entries[oldest].data)
	delete(p.entries, oldest)
	p.Evictions.Add(1)
}

// move copies a chunk between an entry and positions from at on of row 0 of c: out of c when keep is set, else into it.
func (p *Prefixes) move(c *Cache, at int, data []float32, keep bool) {
	n := p.chunk * p.size
	for l := range p.layers {
		for _, side := range [][]float32{c.keys[l], c.values[l]} {
			for h := range p.heads {
				row := side[(h*c.capacity+at)*p.size:][:n]
				if keep {
					copy(data[:n], row)
				} else {
					copy(row, data[:n])
				}
				data = data[n:]
			}
		}
	}
}

// Close frees all memory.
func (p *Prefixes) Close() error {
	var err error
	for _, e := range p.entries {
		err = errors.Join(err, ort.FreeFloats(e.data))
	}
	for _, data := range p.idle {
		err = errors.Join(err, ort.FreeFloats(data))
	}
	p.entries, p.idle, p.limit = nil, nil, 0
	p.Memory.Store(0)
	return err
}
