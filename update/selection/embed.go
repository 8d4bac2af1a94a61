package selection

import "math"

// common is a of the weights a/(a + p) by which tokens of frequency p count: rare ones fully, common ones hardly.
const common = 1e-3

// principal is how many steps of power iteration find the direction that all embeddings have in common.
const principal = 30

// Embed embeds texts: the mean of their tokens' rows of a table of the given width, such as a model's own token embeddings, weighted by
// how rare the tokens are among all the texts, without the direction that all have in common (Arora, Liang & Ma 2017, "A simple but
// tough-to-beat baseline for sentence embeddings"). It takes no run of a model.
func Embed(table []float32, width int, texts [][]int32) [][]float32 {
	count := map[int32]float64{}
	total := 0.0
	for _, tokens := range texts {
		for _, t := range tokens {
			count[t]++
			total++
		}
	}
	list := make([][]float32, len(texts))
	for i, tokens := range texts {
		list[i] = make([]float32, width)
		for _, t := range tokens {
			weight := float32(common / (common + count[t]/total) / float64(len(tokens)))
			for k, v := range table[int(t)*width : (int(t)+1)*width] {
				list[i][k] += weight * v
			}
		}
	}
	without(list, width)
	return list
}

// without takes the first principal direction, of the vectors as they are and not of their distance from the mean, out of them.
func without(list [][]float32, width int) {
	direction := make([]float64, width)
	for i := range direction {
		direction[i] = 1 / math.Sqrt(float64(width))
	}
	for range principal {
		next := make([]float64, width)
		for _, v := range list {
			d := dot(v, direction)
			for k := range v {
				next[k] += d * float64(v[k])
			}
		}
		norm := 0.0
		for _, x := range next {
			norm += x * x
		}
		if norm == 0 {
			return
		}
		for k := range next {
			direction[k] = next[k] / math.Sqrt(norm)
		}
	}
	for _, v := range list {
		d := dot(v, direction)
		for k := range v {
			v[k] -= float32(d * direction[k])
		}
	}
}

// dot is the scalar product.
func dot(v []float32, direction []float64) float64 {
	sum := 0.0
	for k, x := range v {
		sum += float64(x) * direction[k]
	}
	return sum
}
