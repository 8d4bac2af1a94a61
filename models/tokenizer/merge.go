package tokenizer

import (
	"math/bits"
	"slices"
	"sync"
)

const (
	noRank    = ^uint32(0)
	shortWord = 40      // bytes up to which the quadratic merge in an array beats the heap
	kept      = 1 << 16 // bytes: scratch memory for longer words is not kept
)

// pairs is the table of merges: an open-addressing hash table from two token ids to the rank of their merge. It is
// read-only once built.
type pairs struct {
	keys    []uint64
	ranks   []uint32
	shift   uint8
	product []int32 // by rank, the token that the merge makes
}

func newPairs(n int) *pairs {
	size := uint(bits.Len(uint(2*n | 15)))
	p := &pairs{keys: make([]uint64, 1<<size), ranks: make([]uint32, 1<<size), shift: uint8(64 - size)}
	for i := range p.ranks {
		p.ranks[i] = noRank
	}
	return p
}

// add enters the next merge in order of rank; it reports false for a pair that is there already.
func (p *pairs) add(a, b, product int32) bool {
	key := uint64(uint32(a))<<32 | uint64(uint32(b))
	i := p.slot(key)
	if p.ranks[i] != noRank {
		return false
	}
	p.keys[i], p.ranks[i] = key, uint32(len(p.product))
	p.product = append(p.product, product)
	return true
}

func (p *pairs) slot(key uint64) uint64 {
	i := key * 0x9E3779B97F4A7C15 >> p.shift
	for p.ranks[i] != noRank && p.keys[i] != key {
		i = (i + 1) & uint64(len(p.keys)-1)
	}
	return i
}

// rank returns the rank of the merge of a and b, noRank if they do not merge.
func (p *pairs) rank(a, b int32) uint32 {
	return p.ranks[p.slot(uint64(uint32(a))<<32|uint64(uint32(b)))]
}

// merger merges the symbols of a word, which are its bytes or its characters: always the pair of lowest rank, the leftmost of equals,
// until none is left.
type merger struct {
	bytes [256]int32  // the token of each byte, −1 for none
	chars *characters // nil for a byte-level vocabulary
	pairs *pairs
	words map[string]int32 // words that are one token: a shortcut, or with ignore_merges what the file asks for
	long  int              // the length of the longest of words
}

// encode appends the tokens of one word.
func (m *merger) encode(dst []int32, word string) []int32 {
	if len(word) <= m.long {
		if id, ok := m.words[word]; ok {
			return append(dst, id)
		}
	}
	return m.merge(dst, word)
}

// merge is encode without the words that are one token.
func (m *merger) merge(dst []int32, word string) []int32 {
	if len(word) <= shortWord {
		return m.mergeShort(dst, word)
	}
	return m.mergeLong(dst, word)
}

// symbols appends the tokens that merging begins with, at most one for each byte. A byte-level vocabulary leaves out a byte that it has
// no token for.
func (m *merger) symbols(dst []int32, word string) []int32 {
	if m.chars != nil {
		return m.chars.symbols(dst, word, &m.bytes)
	}
	for i := range len(word) {
		if id := m.bytes[word[i]]; id >= 0 {
			dst = append(dst, id)
		}
	}
	return dst
}

func (m *merger) mergeShort(dst []int32, word string) []int32 {
	var room [shortWord]int32
	var ranks [shortWord]uint32
	ids := m.symbols(room[:0], word)
	n := len(ids)
	for i := 0; i+1 < n; i++ {
		ranks[i] = m.pairs.rank(ids[i], ids[i+1])
	}
	for n > 1 {
		best := 0
		for i := 1; i+1 < n; i++ {
			if ranks[i] < ranks[best] {
				best = i
			}
		}
		if ranks[best] == noRank {
			break
		}
		ids[best] = m.pairs.product[ranks[best]]
		copy(ids[best+1:n-1], ids[best+2:n])
		copy(ranks[best+1:n-1], ranks[best+2:n])
		n--
		if best+1 < n {
			ranks[best] = m.pairs.rank(ids[best], ids[best+1])
		}
		if best > 0 {
			ranks[best-1] = m.pairs.rank(ids[best-1], ids[best])
		}
	}
	return append(dst, ids[:n]...)
}

// scratch is the memory of mergeLong: a linked list of parts and a heap of candidates, each rank<<32 | position. An
// entry whose rank is no longer that of its position is stale and is dropped when it comes up.
type scratch struct {
	ids, prev, next []int32
	ranks           []uint32
	heap            []uint64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// mergeLong is mergeShort in O(n log n).
func (m *merger) mergeLong(dst []int32, word string) []int32 {
	s := scratches.Get().(*scratch)
	s.fill(m, word)
	n := int32(len(s.ids))
	for len(s.heap) > 0 {
		top := s.pop()
		rank, at := uint32(top>>32), int32(uint32(top))
		if s.ranks[at] != rank {
			continue
		}
		gone := s.next[at]
		s.ids[at], s.ranks[gone] = m.pairs.product[rank], noRank
		right, left := s.next[gone], s.prev[at]
		s.next[at] = right
		s.ranks[at] = noRank
		if right < n {
			s.prev[right] = at
			s.consider(m, at, right)
		}
		if left >= 0 {
			s.consider(m, left, at)
		}
	}
	for i := int32(0); i < n; i = s.next[i] {
		dst = append(dst, s.ids[i])
	}
	if len(word) <= kept {
		scratches.Put(s)
	}
	return dst
}

// fill sets the list to the symbols of word and the heap to their pairs.
func (s *scratch) fill(m *merger, word string) {
	s.ids = m.symbols(slices.Grow(s.ids[:0], len(word)), word)
	n := len(s.ids)
	s.prev, s.next = slices.Grow(s.prev[:0], n)[:n], slices.Grow(s.next[:0], n)[:n]
	s.ranks, s.heap = slices.Grow(s.ranks[:0], n)[:n], slices.Grow(s.heap[:0], 3*n)
	for i := range n {
		s.prev[i], s.next[i], s.ranks[i] = int32(i-1), int32(i+1), noRank
	}
	for i := range n - 1 {
		s.ranks[i] = m.pairs.rank(s.ids[i], s.ids[i+1])
		if s.ranks[i] != noRank {
			s.heap = append(s.heap, uint64(s.ranks[i])<<32|uint64(i))
		}
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		s.down(i)
	}
}

// consider enters the pair of the parts at left and right, which have just become neighbours.
func (s *scratch) consider(m *merger, left, right int32) {
	rank := m.pairs.rank(s.ids[left], s.ids[right])
	s.ranks[left] = rank
	if rank == noRank {
		return
	}
	s.heap = append(s.heap, uint64(rank)<<32|uint64(left))
	i := len(s.heap) - 1
	for i > 0 && s.heap[(i-1)/2] > s.heap[i] {
		s.heap[i], s.heap[(i-1)/2] = s.heap[(i-1)/2], s.heap[i]
		i = (i - 1) / 2
	}
}

func (s *scratch) pop() uint64 {
	top, last := s.heap[0], len(s.heap)-1
	s.heap[0] = s.heap[last]
	s.heap = s.heap[:last]
	s.down(0)
	return top
}

func (s *scratch) down(i int) {
	h := s.heap
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1] < h[child] {
			child++
		}
		if h[i] <= h[child] {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
