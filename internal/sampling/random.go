package sampling

import "math/bits"

// Uniform returns the number in [0, 1) that belongs to a step of a seed: 53 bits of Philox2x64-10 with the step as counter
// and the seed as key (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011). There is no state,
// so any step can be drawn at any time, in any order, by any process, with the same result.
func Uniform(seed, step uint64) float64 {
	hi, _ := philox(step, 0, seed)
	return float64(hi>>11) / (1 << 53)
}

// philox is one block of Philox2x64 with ten rounds.
func philox(c0, c1, key uint64) (uint64, uint64) {
	const multiplier, weyl = 0xD2B74407B1CE6E93, 0x9E3779B97F4A7C15
	for range 10 {
		hi, lo := bits.Mul64(multiplier, c0)
		c0, c1 = hi^key^c1, lo
		key += weyl
	}
	return c0, c1
}

// ChoiceSeed is the seed of one of several answers to a request with a seed: the first answer's is the request's own, those
// of the others are 53 bits, which every reader of JSON can hold, of another Philox counter than any step's.
func ChoiceSeed(seed uint64, choice int) uint64 {
	if choice == 0 {
		return seed
	}
	hi, _ := philox(uint64(choice), 1, seed)
	return hi >> 11
}
