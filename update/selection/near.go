package selection

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"nightshift/replaystore"
)

// Near-identical texts are found by MinHash signatures (Broder 1997), cut into bands that hash alike where the rows of a band
// are equal (Indyk & Motwani 1998): of two texts with Jaccard index J a band is equal with probability J^rows, and one of
// them at least with 1 − (1 − J^rows)^bands, which is 0.988 at 0.6 and 0.99999 from 0.8 on. Every pair that meets is then compared exactly.
const (
	bands      = 32
	bandRows   = 4
	bucketPast = 64 // texts of one band that each new one is compared with, the latest
)

// MinNear is the smallest Jaccard index that near duplicates can be asked for: below it pairs would be missed.
const MinNear = 0.6

// usualNear is the one by which examples confirm each other where near duplicates are not looked for.
const usualNear = 0.85

// resemblance says which examples are near-identical. Examples that have the same words share a text.
type resemblance struct {
	text  []int   // of each example, the number of its text
	items [][]int // of each text, its examples, ascending
	near  [][]int // of each text, the texts that are near-identical to it, itself included, ascending
}

// resemble compares what the examples ask last and what they answer: sets of words and pairs of words, whose Jaccard index
// must be at least threshold. Answers with other numbers, or another "not", say something else, however alike the rest is; and a
// bad answer is not like a good one.
func resemble(items []Item, threshold float64) resemblance {
	r := resemblance{text: make([]int, len(items))}
	known := map[string]int{}
	var sets [][]uint64
	var facts []string
	for i, it := range items {
		question, answer := words(LastQuestion(it.Prompt)), words(answerOf(it))
		fact := factsOf(it, answer)
		key := strings.Join(question, " ") + "\x00" + strings.Join(answer, " ") + "\x00" + fact
		t, ok := known[key]
		if !ok {
			t = len(sets)
			known[key] = t
			sets, facts = append(sets, shingles(question, answer)), append(facts, fact)
			r.items, r.near = append(r.items, nil), append(r.near, []int{t})
		}
		r.text[i] = t
		r.items[t] = append(r.items[t], i)
	}
	meet(sets, func(a, b int) {
		if facts[a] == facts[b] && jaccard(sets[a], sets[b]) >= threshold {
			r.near[a], r.near[b] = append(r.near[a], b), append(r.near[b], a)
		}
	})
	for t := range r.near {
		slices.Sort(r.near[t])
		r.near[t] = slices.Compact(r.near[t])
	}
	return r
}

// answerOf is what an example teaches to say; of a pair, the better answer.
func answerOf(it Item) string { return cmp.Or(it.Completion, it.Chosen) }

// bad says whether an example is an answer that was rated down.
func bad(it Item) bool { return it.Kind == replaystore.Unpaired && !it.Good }

// negations are words that turn an answer around.
var negations = []string{"no", "not", "never", "none", "cannot", "can't", "won't", "don't", "doesn't", "isn't", "aren't", "without"}

// factsOf are the words of an answer that carry a fact by themselves, in order of the alphabet, and whether it is bad.
func factsOf(it Item, answer []string) string {
	list := numbers(answer)
	for _, w := range answer {
		if slices.Contains(negations, w) {
			list = append(list, w)
		}
	}
	slices.Sort(list)
	if bad(it) {
		list = append(list, "\x00")
	}
	return strings.Join(slices.Compact(list), " ")
}

// shingles is the sorted set of the hashed words and pairs of words of a question and its answer.
func shingles(question, answer []string) []uint64 {
	var set []uint64
	for side, list := range [][]string{question, answer} {
		for i, w := range list {
			set = append(set, hashOf(side, w))
			if i > 0 {
				set = append(set, hashOf(side, list[i-1], w))
			}
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// hashOf hashes words of one side, the question's 0 or the answer's 1.
func hashOf(side int, list ...string) uint64 {
	h := fnv.New64a()
	h.Write([]byte{byte(side)})
	for _, w := range list {
		h.Write([]byte(w))
		h.Write([]byte{0})
	}
	return scramble(h.Sum64())
}

// scramble is a bijection of 64 bits that looks random (the finalizer of splitmix64: Steele, Lea & Flood 2014).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// jaccard is the size of the intersection of two sorted sets over that of their union; of two empty sets, 1.
func jaccard(a, b []uint64) float64 {
	if len(a)+len(b) == 0 {
		return 1
	}
	common := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			common, i, j = common+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return float64(common) / float64(len(a)+len(b)-common)
}

// meet calls pair once for each two sets that a band puts together. A set meets the latest bucketPast of each of its bands only:
// somebody who floods a band can hide its texts from each other, which confirms nobody, and costs no more than so many comparisons.
func meet(sets [][]uint64, pair func(a, b int)) {
	buckets := map[uint64][]int32{}
	met := make([]int, len(sets)) // the last set that met this one, counted from 1
	for b, set := range sets {
		s := signature(set)
		for band := range bands {
			key := scramble(uint64(band))
			for _, row := range s[band*bandRows : (band+1)*bandRows] {
				key = scramble(key ^ row)
			}
			list := buckets[key]
			for _, a := range list {
				if met[a] != b+1 {
					met[a] = b + 1
					pair(int(a), b)
				}
			}
			if len(list) == bucketPast {
				list = append(list[:0], list[1:]...)
			}
			buckets[key] = append(list, int32(b)) //nolint:gosec // fewer than 2³¹ texts
		}
	}
}

// signature is the smallest value of a set under each of bands·bandRows hash functions.
func signature(set []uint64) []uint64 {
	s := make([]uint64, bands*bandRows)
	for i := range s {
		seed := scramble(uint64(i))
		s[i] = math.MaxUint64
		for _, x := range set {
			s[i] = min(s[i], scramble(x^seed))
		}
	}
	return s
}
