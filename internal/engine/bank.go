package engine

import (
	"fmt"
	"slices"
	"sync"

	"nightshift/models/adapter"
	"nightshift/onnx/gpt2"
	"nightshift/onnx/ort"
)

// Bank is the memory of the resident adapters: for every adapted linear N rows of rank-8 factors, which the decode
// graph gathers by row. Row 0 is zero, the base model. A version's rows are written only while no sequence uses them,
// so a swap needs no lock around a step: new rows are filled, and later requests name them.
type Bank struct {
	rows    int
	tensors []bankTensor

	mu       sync.Mutex
	free     []int64
	versions map[string]*resident
	clock    uint64
}

// bankTensor is one linear's pair of factor banks, as they are bound to the graph.
type bankTensor struct {
	target           adapter.Target
	in, out          int
	a, b             []float32
	tensorA, tensorB *ort.Tensor
}

// resident is a version in the bank.
type resident struct {
	rows []int64
	pins int
	used uint64
}

// Pin holds a version in the bank until Release. The zero digest is the base model.
type Pin struct {
	Digest string
	bank   *Bank
	rows   []int64
	once   sync.Once
}

// newBank allocates a bank of rows rows, row 0 included, for the given modules of a model.
func newBank(cfg gpt2.Config, modules []string, rows int) (*Bank, error) {
	b := &Bank{rows: rows, versions: map[string]*resident{}}
	for r := rows - 1; r >= 1; r-- {
		b.free = append(b.free, int64(r))
	}
	for layer := range cfg.Layers {
		for _, m := range modules {
			in, out, err := cfg.ModuleShape(m)
			if err != nil {
				return nil, err
			}
			t := bankTensor{target: adapter.Target{Layer: layer, Module: m}, in: in, out: out}
			t.a = ort.AlignedFloats(rows * in * gpt2.BankRank)
			t.b = ort.AlignedFloats(rows * gpt2.BankRank * out)
			if t.tensorA, err = ort.NewTensor([]int64{int64(rows), int64(in), gpt2.BankRank}, t.a); err != nil {
				return nil, fmt.Errorf("allocate adapter bank: %w", err)
			}
			if t.tensorB, err = ort.NewTensor([]int64{int64(rows), gpt2.BankRank, int64(out)}, t.b); err != nil {
				return nil, fmt.Errorf("allocate adapter bank: %w", err)
			}
			b.tensors = append(b.tensors, t)
		}
	}
	return b, nil
}

// Install copies an adapter into free rows, evicting the least recently used versions that no request holds. A version
// that is already resident is left as it is.
func (b *Bank) Install(digest string, a *adapter.Adapter) error {
	if digest == "" {
		return nil
	}
	need := (a.Config.Rank + gpt2.BankRank - 1) / gpt2.BankRank
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.versions[digest]; ok {
		return nil
	}
	if need > b.rows-1 {
		return fmt.Errorf("install adapter %s: rank %d takes %d bank rows and the bank has %d; raise engine.bank_rows", digest, a.Config.Rank, need, b.rows-1)
	}
	for len(b.free) < need {
		if !b.evict() {
			return fmt.Errorf("install adapter %s: no free rows, all %d are used by running requests; raise engine.bank_rows or try again", digest, b.rows-1)
		}
	}
	if err := b.covers(a); err != nil {
		return fmt.Errorf("install adapter %s: %w", digest, err)
	}
	rows := slices.Clone(b.free[len(b.free)-need:])
	b.free = b.free[:len(b.free)-need]
	for i := range b.tensors {
		b.tensors[i].write(a, rows)
	}
	b.clock++
	b.versions[digest] = &resident{rows: rows, used: b.clock}
	return nil
}

// covers says whether every linear that the adapter changes is in the bank, with the bank's shapes.
func (b *Bank) covers(a *adapter.Adapter) error {
	known := map[adapter.Target]*bankTensor{}
	for i := range b.tensors {
		known[b.tensors[i].target] = &b.tensors[i]
	}
	for target, f := range a.Factors {
		t, ok := known[target]
		if !ok {
			return fmt.Errorf("it changes %s, which this model's bank does not hold", target)
		}
		if len(f.A) != t.in*a.Config.Rank || len(f.B) != t.out*a.Config.Rank {
			return fmt.Errorf("%s has %d and %d values, the model needs %d×%d and %d×%d", target, len(f.A), len(f.B), t.in, a.Config.Rank, a.Config.Rank, t.out)
		}
	}
	return nil
}

// write copies one linear's factors into rows, eight ranks a row, with the scale folded into B; ranks beyond the
// adapter's are zero.
func (t *bankTensor) write(a *adapter.Adapter, rows []int64) {
	f, ok := a.Factors[t.target]
	rank, scale := a.Config.Rank, float32(a.Config.Scale())
	for n, row := range rows {
		dstA := t.a[int(row)*t.in*gpt2.BankRank:][:t.in*gpt2.BankRank]
		dstB := t.b[int(row)*t.out*gpt2.BankRank:][:t.out*gpt2.BankRank]
		clear(dstA)
		clear(dstB)
		if !ok {
			continue
		}
		first, last := n*gpt2.BankRank, min(rank, (n+1)*gpt2.BankRank)
		for i := range t.in {
			copy(dstA[i*gpt2.BankRank:], f.A[i*rank+first:i*rank+last])
		}
		for r := first; r < last; r++ {
			for o, v := range f.B[r*t.out : (r+1)*t.out] {
				dstB[(r-first)*t.out+o] = v * scale
			}
		}
	}
}

// evict frees the rows of the least recently used version without pins; false when there is none. b.mu is held.
func (b *Bank) evict() bool {
	oldest := ""
	for digest, v := range b.versions {
		if v.pins == 0 && (oldest == "" || v.used < b.versions[oldest].used) {
			oldest = digest
		}
	}
	if oldest == "" {
		return false
	}
	b.free = append(b.free, b.versions[oldest].rows...)
	delete(b.versions, oldest)
	return true
}

// Pin holds a resident version; ok is false when it is not in the bank.
func (b *Bank) Pin(digest string) (pin *Pin, ok bool) {
	if digest == "" {
		return &Pin{rows: []int64{0}}, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.versions[digest]
	if !ok {
		return nil, false
	}
	b.clock++
	v.pins++
	v.used = b.clock
	return &Pin{Digest: digest, bank: b, rows: v.rows}, true
}

// Release lets the version go; it may be called more than once.
func (p *Pin) Release() {
	if p.bank == nil {
		return
	}
	p.once.Do(func() {
		p.bank.mu.Lock()
		defer p.bank.mu.Unlock()
		p.bank.versions[p.Digest].pins--
	})
}

// Resident lists the versions in the bank.
func (b *Bank) Resident() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]string, 0, len(b.versions))
	for digest := range b.versions {
		list = append(list, digest)
	}
	slices.Sort(list)
	return list
}

// bind binds every bank tensor to a graph's inputs.
func (b *Bank) bind(binding *ort.Binding) error {
	for _, t := range b.tensors {
		if err := binding.Input(gpt2.LoraA(t.target.Layer, t.target.Module), t.tensorA); err != nil {
			return err
		}
		if err := binding.Input(gpt2.LoraB(t.target.Layer, t.target.Module), t.tensorB); err != nil {
			return err
		}
	}
	return nil
}
