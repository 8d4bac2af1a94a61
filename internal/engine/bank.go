package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"nightshift/internal/engine/kv"
	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// Bank allocates rows of a [kv.AdapterBank] to versions, whose adapters are then resident. Row 0 is the base model: zeros,
// never read. A version's rows are written only while no sequence uses them, so a swap needs no lock around a step: new rows are filled, and later requests name them.
//
// Its methods may be called from many goroutines. Rows belong to exactly one of: the free list, a version, an
// installation in progress.
type Bank struct {
	base    arch.Shape
	rows    int
	maxRank int
	memory  *kv.AdapterBank

	mu         sync.Mutex
	settled    sync.Cond // an installation has ended
	free       []int64
	versions   map[string]*resident
	installing map[string]bool
	clock      uint64
	closed     bool
}

// resident is a version in the bank.
type resident struct {
	rows []int64
	pins int
	used uint64
}

// newBank allocates a bank of rows rows, row 0 included, for the given modules of a model.
func newBank(model *Model, modules []string, rows, maxRank int) (*Bank, error) {
	cfg := model.Config
	memory, err := kv.NewAdapterBank(cfg, modules, rows, model.InputScale)
	if err != nil {
		return nil, fmt.Errorf("allocate adapter bank: %w", err)
	}
	b := &Bank{base: cfg, rows: rows, maxRank: maxRank, memory: memory,
		versions: map[string]*resident{}, installing: map[string]bool{}}
	b.settled.L = &b.mu
	for r := rows - 1; r >= 1; r-- {
		b.free = append(b.free, int64(r))
	}
	return b, nil
}

// close frees the rows. Installations in progress are waited for, later ones fail.
func (b *Bank) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for len(b.installing) > 0 {
		b.settled.Wait()
	}
	return b.memory.Close()
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
	return b.install(digest, a.Config.Rank, func() error { return b.covers(a) }, func(rows []int64) { b.memory.Write(a, rows) })
}

// Reinstall is Install of a version that was installed before and has been evicted, from the bytes of its file: they must be
// those that were checked then, and are not checked again.
func (b *Bank) Reinstall(digest string, l *adapter.Layout, weights []byte) error {
	covers := func() error {
		if !b.memory.Fits(l, weights) {
			return errors.New("its bytes are not those that were laid out for this bank; install it anew")
		}
		return nil
	}
	return b.install(digest, l.Config.Rank, covers, func(rows []int64) { b.memory.Rewrite(l, weights, rows) })
}

// install checks an adapter, reserves rows and has every linear's written, all of it but the books outside the bank's lock.
func (b *Bank) install(digest string, rank int, covers func() error, write func(rows []int64)) error {
	begun, err := b.begin(digest)
	if err != nil {
		return fmt.Errorf("install adapter %s: %w", digest, err)
	}
	if !begun {
		return nil
	}
	var rows []int64
	defer func() { b.settle(digest, rows) }()
	if err := covers(); err != nil {
		return fmt.Errorf("install adapter %s: %w", digest, err)
	}
	reserved, err := b.reserve(rank)
	if err != nil {
		return fmt.Errorf("install adapter %s: %w", digest, err)
	}
	write(reserved)
	rows = reserved
	return nil
}

// begin starts the installation of a version, unless it is resident.
func (b *Bank) begin(digest string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.installing[digest] {
		b.settled.Wait()
	}
	if b.closed {
		return false, ErrClosed
	}
	if v, ok := b.versions[digest]; ok {
		b.clock++
		v.used = b.clock
		return false, nil
	}
	b.installing[digest] = true
	return true, nil
}

// settle ends an installation; without rows it has failed.
func (b *Bank) settle(digest string, rows []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rows != nil {
		b.clock++
		b.versions[digest] = &resident{rows: rows, used: b.clock}
	}
	delete(b.installing, digest)
	b.settled.Broadcast()
}

// reserve finds rows for a version that is about to be written, and evicts what it has to.
func (b *Bank) reserve(rank int) ([]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rank > b.maxRank {
		return nil, fmt.Errorf("its rank is %d and this engine takes up to %d; raise engine.max_rank", rank, b.maxRank)
	}
	need := rowsOf(rank)
	if need > b.rows-1 {
		return nil, fmt.Errorf("rank %d takes %d bank rows and the bank has %d; raise engine.bank_rows", rank, need, b.rows-1)
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
	return rows, nil
}

// covers says whether the adapter is sound and every linear that it changes is in the bank, with the bank's shapes.
func (b *Bank) covers(a *adapter.Adapter) error {
	if err := a.CheckBase(b.base); err != nil {
		return err
	}
	for _, target := range a.Targets() {
		if !b.memory.Holds(target) {
			return fmt.Errorf("it changes %s, which this model's bank does not hold", target)
		}
	}
	return nil
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

// Rows is how many rows the bank has, row 0 included.
func (b *Bank) Rows() int { return b.rows }

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

// rowsOf is how many bank rows an adapter takes.
func rowsOf(rank int) int { return (rank + graphs.RankStep - 1) / graphs.RankStep }

// The bounds of BankRows.
const (
	minBankRows = 33
	maxBankRows = 129
	bankMemory  = 512 << 20 // bytes
)

// BankRows is how many rows a bank for all linears of a model has when nobody says: as many as 512 MiB hold, between 33 and 129. Rows
// that no version has used yet take address space and no memory.
func BankRows(model *Model) int {
	row := 0
	for _, m := range model.Config.Modules() {
		if in, out, err := model.Config.Dims(m); err == nil {
			row += 4 * graphs.RankStep * (in + out) * model.Config.Layers
		}
	}
	return min(maxBankRows, max(minBankRows, bankMemory/max(1, row)))
}
