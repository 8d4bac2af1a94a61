package tokenizer

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
)

// Vocabulary is a byte-level BPE vocabulary in the making: the 256 bytes, then one token a merge, then the special tokens.
type Vocabulary struct {
	tokens  []string   // bytes and merged tokens, by id
	merges  [][2]int32 // in order of rank: merge i makes token 256+i
	special []string   // after tokens
}

// Size is the number of tokens, special tokens included.
func (v *Vocabulary) Size() int { return len(v.tokens) + len(v.special) }

// Train learns a vocabulary of vocabSize tokens from corpus: bytes, merges, and the special tokens, the first of which
// is the end-of-text token. The same corpus in any order gives the same vocabulary: the pair that occurs most often is
// merged next, of equals the one whose ids are lowest. Training stops early, with a smaller vocabulary, when no pair
// occurs twice.
func Train(corpus []string, vocabSize int, special []string) (*Vocabulary, error) {
	wanted := vocabSize - 256 - len(special)
	if wanted < 0 {
		return nil, fmt.Errorf("train vocabulary of %d tokens: 256 bytes and %d special tokens need more", vocabSize, len(special))
	}
	if vocabSize > maxTokens {
		return nil, fmt.Errorf("train vocabulary of %d tokens: the limit is %d", vocabSize, maxTokens)
	}
	for i, s := range special {
		if s == "" || slices.Contains(special[:i], s) {
			return nil, fmt.Errorf("train vocabulary: special token %q is empty or given twice", s)
		}
	}
	v := &Vocabulary{special: slices.Clone(special)}
	order := make([]byte, 256)
	for b := range order {
		order[b] = byte(b)
	}
	slices.SortFunc(order, func(a, b byte) int { return cmp.Compare(byteRune[a], byteRune[b]) })
	for _, b := range order {
		v.tokens = append(v.tokens, string([]byte{b}))
	}
	t := newTrainer(corpus, order)
	for range wanted {
		pair, ok := t.best()
		if !ok {
			break
		}
		v.merges = append(v.merges, pair)
		v.tokens = append(v.tokens, v.tokens[pair[0]]+v.tokens[pair[1]])
		t.merge(pair, int32(len(v.tokens)-1))
	}
	for _, s := range special {
		if slices.Contains(v.tokens, s) {
			return nil, fmt.Errorf("train vocabulary: special token %q is also a word of the corpus", s)
		}
	}
	return v, nil
}

// trainer keeps the count of every pair over the distinct words of the corpus.
type trainer struct {
	words  [][]int32
	counts []int // by word
	pairs  map[[2]int32]int
	where  map[[2]int32][]int // words that have, or once had, the pair; ascending runs, maybe repeated
	queue  candidates
}

func newTrainer(corpus []string, order []byte) *trainer {
	split, seen := splitter{plane(), ruleGPT2}, map[string]int{}
	for _, text := range corpus {
		for i := 0; i < len(text); {
			end := split.next(text, i)
			seen[text[i:end]]++
			i = end
		}
	}
	var ids [256]int32
	for id, b := range order {
		ids[b] = int32(id)
	}
	t := &trainer{pairs: map[[2]int32]int{}, where: map[[2]int32][]int{}}
	for word, count := range seen {
		parts := make([]int32, len(word))
		for i := range parts {
			parts[i] = ids[word[i]]
		}
		at := len(t.words)
		t.words, t.counts = append(t.words, parts), append(t.counts, count)
		for i := range len(parts) - 1 {
			t.count([2]int32{parts[i], parts[i+1]}, count, at)
		}
	}
	for pair, count := range t.pairs {
		t.queue = append(t.queue, candidate{pair, count})
	}
	heap.Init(&t.queue)
	return t
}

// count adds n occurrences of a pair in a word; n < 0 takes them away.
func (t *trainer) count(pair [2]int32, n, word int) {
	t.pairs[pair] += n
	if at := t.where[pair]; n > 0 && (len(at) == 0 || at[len(at)-1] != word) {
		t.where[pair] = append(at, word)
	}
}

// best returns the pair that occurs most often, and at least twice.
func (t *trainer) best() (pair [2]int32, ok bool) {
	for len(t.queue) > 0 {
		top := heap.Pop(&t.queue).(candidate)
		switch now := t.pairs[top.pair]; {
		case now < 2:
		case now == top.count:
			return top.pair, true
		default:
			heap.Push(&t.queue, candidate{top.pair, now})
		}
	}
	return pair, false
}

// merge replaces a pair by its product in every word.
func (t *trainer) merge(pair [2]int32, product int32) {
	grown := map[[2]int32]bool{}
	for _, w := range t.where[pair] {
		parts, n := t.words[w], t.counts[w]
		for i := 0; i+1 < len(parts); i++ {
			if parts[i] != pair[0] || parts[i+1] != pair[1] {
				continue
			}
			t.count(pair, -n, w)
			if i > 0 {
				t.count([2]int32{parts[i-1], pair[0]}, -n, w)
				t.count([2]int32{parts[i-1], product}, n, w)
				grown[[2]int32{parts[i-1], product}] = true
			}
			if i+2 < len(parts) {
				t.count([2]int32{pair[1], parts[i+2]}, -n, w)
				t.count([2]int32{product, parts[i+2]}, n, w)
				grown[[2]int32{product, parts[i+2]}] = true
			}
			parts[i] = product
			parts = slices.Delete(parts, i+1, i+2)
		}
		t.words[w] = parts
	}
	delete(t.where, pair)
	delete(t.pairs, pair)
	for p := range grown {
		heap.Push(&t.queue, candidate{p, t.pairs[p]})
	}
}

type candidate struct {
	pair  [2]int32
	count int
}

// candidates is a heap of pairs, the most frequent first, of equals the lowest ids. A count may be out of date: best
// checks it.
type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	if c[i].count != c[j].count {
		return c[i].count > c[j].count
	}
	return slices.Compare(c[i].pair[:], c[j].pair[:]) < 0
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}
