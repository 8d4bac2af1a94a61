package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"syscall"
)

// crashFS is a file system in memory that keeps only what was synced when it crashes, or some of the rest. A failed sync
// drops the unsynced bytes from what a later sync makes durable, as Linux does.
type crashFS struct {
	mu    sync.Mutex
	rng   *rand.Rand
	names map[string]*inode // as the running system sees it
	disk  map[string]*inode // entries that are durable
	moves []func(map[string]*inode)
	fail  func(op, name string) error // nil: no failure
	ops   int
	dead  bool
}

type inode struct {
	data    []byte // as read back
	durable []byte
	writes  []write // since the last sync
}

type write struct {
	at       int64
	data     []byte
	truncate bool
}

var errDead = errors.New("the machine is off")

func newCrashFS(seed uint64) *crashFS {
	return &crashFS{rng: rand.New(rand.NewPCG(seed, 1)), names: map[string]*inode{}, disk: map[string]*inode{}}
}

func (c *crashFS) step(op, name string) error {
	if c.dead {
		return errDead
	}
	c.ops++
	if c.fail != nil {
		return c.fail(op, name)
	}
	return nil
}

func (w write) apply(data []byte) []byte {
	if w.truncate {
		if w.at < int64(len(data)) {
			return append([]byte(nil), data[:w.at]...)
		}
		return data
	}
	if need := int(w.at) + len(w.data); need > len(data) {
		data = append(append([]byte(nil), data...), make([]byte, need-len(data))...)
	} else {
		data = append([]byte(nil), data...)
	}
	copy(data[w.at:], w.data)
	return data
}

// crash turns the machine off and returns what it finds when it is on again: of every file the durable bytes and a
// random choice of the unsynced writes, one of them perhaps in part; of the directory the durable entries and a random
// beginning of the unsynced changes.
func (c *crashFS) crash() *crashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
	next := newCrashFS(c.rng.Uint64())
	for _, move := range c.moves[:c.rng.IntN(len(c.moves)+1)] {
		move(c.disk)
	}
	for name, node := range c.disk {
		data := node.durable
		for _, w := range node.writes {
			switch c.rng.IntN(3) {
			case 0:
				data = w.apply(data)
			case 1:
				if !w.truncate {
					data = write{at: w.at, data: w.data[:c.rng.IntN(len(w.data)+1)]}.apply(data)
				}
			}
		}
		n := &inode{data: data, durable: data}
		next.names[name], next.disk[name] = n, n
	}
	return next
}

func (c *crashFS) Open(name string, create bool) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step("open", name); err != nil {
		return nil, err
	}
	node, ok := c.names[name]
	switch {
	case create && ok:
		return nil, fs.ErrExist
	case !create && !ok:
		return nil, fs.ErrNotExist
	case create:
		node = &inode{}
		c.names[name] = node
		c.moves = append(c.moves, func(d map[string]*inode) { d[name] = node })
	}
	return &crashFile{c, node, name}, nil
}

func (c *crashFS) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step("rename", from); err != nil {
		return err
	}
	node, ok := c.names[from]
	if !ok {
		return fs.ErrNotExist
	}
	move := func(d map[string]*inode) { d[to] = node; delete(d, from) }
	move(c.names)
	c.moves = append(c.moves, move)
	return nil
}

func (c *crashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step("remove", name); err != nil {
		return err
	}
	if _, ok := c.names[name]; !ok {
		return fs.ErrNotExist
	}
	delete(c.names, name)
	c.moves = append(c.moves, func(d map[string]*inode) { delete(d, name) })
	return nil
}

func (c *crashFS) List() ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for name := range c.names {
		out = append(out, name)
	}
	return out, c.step("list", "")
}

func (c *crashFS) Sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step("syncdir", ""); err != nil {
		return err
	}
	for _, move := range c.moves {
		move(c.disk)
	}
	c.moves = nil
	return nil
}

type crashFile struct {
	fs   *crashFS
	node *inode
	name string
}

func (f *crashFile) ReadAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step("read", f.name); err != nil {
		return 0, err
	}
	if at >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.step("write", f.name)
	if errors.Is(err, errDead) {
		return 0, err
	}
	data := append([]byte(nil), p...)
	if err != nil { // a failed write may have written a part
		data = data[:f.fs.rng.IntN(len(data)+1)]
	}
	w := write{at: at, data: data}
	f.node.writes = append(f.node.writes, w)
	f.node.data = w.apply(f.node.data)
	return len(data), err
}

func (f *crashFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step("truncate", f.name); err != nil {
		return err
	}
	w := write{at: size, truncate: true}
	f.node.writes = append(f.node.writes, w)
	f.node.data = w.apply(f.node.data)
	return nil
}

func (f *crashFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.step("sync", f.name)
	if errors.Is(err, errDead) {
		return err
	}
	if err == nil {
		for _, w := range f.node.writes {
			f.node.durable = w.apply(f.node.durable)
		}
	}
	f.node.writes = nil // after a failure they are clean in memory and nowhere else
	return err
}

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), nil
}

func (f *crashFile) Close() error { return nil }

// failing returns a failure rule that fails a share of some operations.
func failing(rng *rand.Rand, share float64, ops ...string) func(op, name string) error {
	return func(op, name string) error {
		for _, o := range ops {
			if o == op && rng.Float64() < share {
				err := syscall.ENOSPC
				if op == "sync" || op == "syncdir" {
					err = syscall.EIO
				}
				return fmt.Errorf("%s %s: %w", op, name, err)
			}
		}
		return nil
	}
}
