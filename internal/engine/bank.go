package engine

import (
	"errors"
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
//
// Its methods may be called from many goroutines. Rows belong to exactly one of: the free list, a version, an
// installation in progress.
type Bank struct {
	base    adapter.Base
	rows    int
	maxRank int
	tensors []bankTensor

	mu         sync.Mutex
	settled    sync.Cond // an installation has ended
	free       []int64
	versions   map[string]*resident
	installing map[string]bool
	clock      uint64
	closed     bool
}

// bankTensor is one linear's pair of factor banks, as they are bound to the graph.
type bankTensor struct {
	target           adapter.Target
	in, out          int
	a, b             []float32
	tensorA, tensorB *ort.Tensor
	divided          []float32 // [in] what the weights divide the linear's inputs by, nil for nothing
}

// resident is a version in the bank.
type resident struct {
	rows []int64
	pins int
	used uint64
}

// rowsOf is how many bank rows an adapter takes.
func rowsOf(rank int) int { return (rank + gpt2.BankRank - 1) / gpt2.BankRank }

// newBank allocates a bank of rows rows, row 0 included, for the given modules of a model.
func newBank(model *Model, modules []string, rows, maxRank int) (*Bank, error) {
	cfg := model.Config
	b := &Bank{base: adapter.Base{Layers: cfg.Layers, Width: cfg.Width, Inner: cfg.Inner}, rows: rows, maxRank: maxRank,
		versions: map[string]*resident{}, installing: map[string]bool{}}
	b.settled.L = &b.mu
	for r := rows - 1; r >= 1; r-- {
		b.free = append(b.free, int64(r))
	}
	for layer := range cfg.Layers {
		for _, m := range modules {
			if err := b.add(model, adapter.Target{Layer: layer, Module: m}); err != nil {
				return nil, errors.Join(fmt.Errorf("allocate adapter bank: %w", err), b.close())
			}
		}
	}
	return b, nil
}

// add allocates one linear's rows.
func (b *Bank) add(model *Model, target adapter.Target) error {
	in, out, err := model.Config.ModuleShape(target.Module)
	if err != nil {
		return err
	}
	t := bankTensor{target: target, in: in, out: out, divided: model.InputScale(fmt.Sprintf("h.%d.%s", target.Layer, target.Module)),
		a: ort.AlignedFloats(b.rows * in * gpt2.BankRank), b: ort.AlignedFloats(b.rows * gpt2.BankRank * out)}
	n := int64(b.rows)
	t.tensorA, err = ort.NewTensor([]int64{n, int64(in), gpt2.BankRank}, t.a)
	if err == nil {
		t.tensorB, err = ort.NewTensor([]int64{n, gpt2.BankRank, int64(out)}, t.b)
	}
	b.tensors = append(b.tensors, t)
	return err
}

// close frees the rows once nothing is bound to them. Installations in progress are waited for, later ones fail.
func (b *Bank) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for len(b.installing) > 0 {
		b.settled.Wait()
	}
	var err error
	for _, t := range b.tensors {
		for _, v := range []*ort.Tensor{t.tensorA, t.tensorB} {
			if v != nil {
				v.Close()
			}
		}
		err = errors.Join(err, ort.FreeFloats(t.a), ort.FreeFloats(t.b))
	}
	b.tensors = nil
	return err
}

// Install copies an adapter into free rows, evicting the least recently used versions that no request holds; if that
// would not free enough, nothing is evicted. A version that is already resident is left as it is: a digest always
// means the same factors. The copy runs outside the bank's lock, so running requests do not wait for it.
func (b *Bank) Install(digest string, a *adapter.Adapter) error {
	if digest == "" {
		return nil
	}
	if a == nil {
		return fmt.Errorf("install adapter %s: no adapter given", digest)
	}
	rows, err := b.reserve(digest, a)
	if err != nil {
		return fmt.Errorf("install adapter %s: %w", digest, err)
	}
	if rows == nil {
		return nil
	}
	for i := range b.tensors {
		b.tensors[i].write(a, rows)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock++
	b.versions[digest] = &resident{rows: rows, used: b.clock}
	delete(b.installing, digest)
	b.settled.Broadcast()
	return nil
}

// reserve finds rows for a version that is about to be written; none and no error when it is resident.
func (b *Bank) reserve(digest string, a *adapter.Adapter) ([]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.installing[digest] {
		b.settled.Wait()
	}
	if b.closed {
		return nil, ErrClosed
	}
	if v, ok := b.versions[digest]; ok {
		b.clock++
		v.used = b.clock
		return nil, nil
	}
	if err := b.covers(a); err != nil {
		return nil, err
	}
	if a.Config.Rank > b.maxRank {
		return nil, fmt.Errorf("its rank is %d and this engine takes up to %d; raise engine.max_rank", a.Config.Rank, b.maxRank)
	}
	need := rowsOf(a.Config.Rank)
	if need > b.rows-1 {
		return nil, fmt.Errorf("rank %d takes %d bank rows and the bank has %d; raise engine.bank_rows", a.Config.Rank, need, b.rows-1)
	}
	room := len(b.free)
	for _, v := range b.versions {
		if v.pins == 0 {
			room += len(v.rows)
		}
	}
	if room < need {
		return nil, fmt.Errorf("%d bank rows are needed and %d of %d are not used by running requests; raise engine.bank_rows or try again", need, room, b.rows-1)
	}
	for len(b.free) < need {
		b.evict()
	}
	rows := slices.Clone(b.free[len(b.free)-need:])
	b.free = b.free[:len(b.free)-need]
	b.installing[digest] = true
	return rows, nil
}

// covers says whether the adapter is sound and every linear that it changes is in the bank, with the bank's shapes.
func (b *Bank) covers(a *adapter.Adapter) error {
	if err := a.CheckBase(b.base); err != nil {
		return err
	}
	for _, target := range a.Targets() {
		if !slices.ContainsFunc(b.tensors, func(t bankTensor) bool { return t.target == target }) {
			return fmt.Errorf("it changes %s, which this model's bank does not hold", target)
		}
	}
	return nil
}

// write copies one linear's factors into rows, eight ranks a row, with the adapter's scale folded into B and what the linear's
// inputs are divided by into A; ranks beyond the
// adapter's are zero, and so is a linear without factors.
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
			row := dstA[i*gpt2.BankRank:]
			copy(row, f.A[i*rank+first:i*rank+last])
			if t.divided != nil {
				for r := range last - first {
					row[r] *= t.divided[i]
				}
			}
		}
		for r := first; r < last; r++ {
			for o, v := range f.B[r*t.out : (r+1)*t.out] {
				dstB[(r-first)*t.out+o] = v * scale
			}
		}
	}
}

// evict frees the rows of the least recently used version without pins. b.mu is held, and there is one.
func (b *Bank) evict() {
	oldest := ""
	for digest, v := range b.versions {
		if v.pins == 0 && (oldest == "" || v.used < b.versions[oldest].used) {
			oldest = digest
		}
	}
	b.free = append(b.free, b.versions[oldest].rows...)
	delete(b.versions, oldest)
}

// Pin holds a resident version for one request; ok is false when it is not in the bank. The digest "" is the base
// model, which always is.
func (b *Bank) Pin(digest string) (pin *Pin, ok bool) {
	if digest == "" {
		return &Pin{}, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.versions[digest]
	if !ok || b.closed {
		return nil, false
	}
	b.clock++
	v.pins++
	v.used = b.clock
	return &Pin{Digest: digest, bank: b, rows: v.rows}, true
}

// unpin is the end of one pin.
func (b *Bank) unpin(digest string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.versions[digest].pins--
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
