package replaystore

import "hash/maphash"

// Index maps keys to journal records in few bytes: it keeps a hash of the key and not the key. A record that is found is
// read back to see whether it is the one; keys whose hashes collide are kept in full. Not safe for concurrent use.
type Index struct {
	seed  maphash.Seed
	seqs  map[uint64]uint64
	clash map[string]uint64
	key   func(seq uint64) (string, bool)
	hash  func(string) uint64
}

// NewIndex makes an empty index; key reads back the key of a record, false when the record is gone.
func NewIndex(key func(seq uint64) (string, bool)) *Index {
	x := &Index{seed: maphash.MakeSeed(), seqs: make(map[uint64]uint64), clash: make(map[string]uint64), key: key}
	x.hash = func(k string) uint64 { return maphash.String(x.seed, k) }
	return x
}

// Find returns the record of a key.
func (x *Index) Find(key string) (uint64, bool) {
	if seq, ok := x.clash[key]; ok {
		return seq, true
	}
	seq, ok := x.seqs[x.hash(key)]
	if !ok {
		return 0, false
	}
	if k, there := x.key(seq); !there || k != key {
		return 0, false
	}
	return seq, true
}

// Put sets the record of a key.
func (x *Index) Put(key string, seq uint64) {
	h := x.hash(key)
	if old, ok := x.seqs[h]; ok && old != seq {
		if k, there := x.key(old); there && k != key {
			x.clash[key] = seq
			return
		}
	}
	x.seqs[h] = seq
}

// Sweep removes the entries for whose record gone says true.
func (x *Index) Sweep(gone func(seq uint64) bool) {
	for h, seq := range x.seqs {
		if gone(seq) {
			delete(x.seqs, h)
		}
	}
	for k, seq := range x.clash {
		if gone(seq) {
			delete(x.clash, k)
		}
	}
}

// Len is the number of keys.
func (x *Index) Len() int { return len(x.seqs) + len(x.clash) }
