// Package nearest finds what somebody meant who mistyped a name: the one with the smallest edit distance, where one is close. It knows nothing
// of what the names are of.
package nearest

// To returns the candidate with the smallest edit distance to name, the first of several, and "" where none is close: a third of the bytes of
// name may differ, rounded up.
func To(name string, candidates []string) string {
	best, smallest := "", (len(name)+2)/3+1
	for _, c := range candidates {
		if d := distance(name, c); d < smallest {
			best, smallest = c, d
		}
	}
	return best
}

// Question asks, as the end of a message, whether the nearest candidate was meant: ": did you mean default?", and "" where none is close.
func Question(name string, candidates []string) string {
	if best := To(name, candidates); best != "" && best != name {
		return ": did you mean " + best + "?"
	}
	return ""
}

// distance is Levenshtein's, of bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
