package selection

import "strings"

// foreign is the cosine of TF-IDF vectors below which two corrections are about different questions: they share no word
// of weight, neither in the questions nor in the answers that were corrected.
const foreign = 0.1

// Rivals finds, for every held-out correction, no more than limit others among them that are about other questions and say
// something else. A version that has learned which answer belongs to which question prefers a correction to its rivals;
// one that learned answers that had been dealt out at random cannot. The result has an entry for each item, in order;
// rivals are positions in items.
func Rivals(items []Item, limit int) [][]int {
	var held []int
	bags := make([][]string, len(items))
	for i, it := range items {
		answer := answerOf(it)
		if it.Use == HeldOut && it.Rejected != "" {
			held, answer = append(held, i), it.Rejected
		}
		bags[i] = words(LastQuestion(it.Prompt) + " " + answer)
	}
	rarity := idf(bags)
	rivals := make([][]int, len(items))
	for at, i := range held {
		for step := 1; step < len(held) && len(rivals[i]) < limit; step++ {
			j := held[(at+step)%len(held)]
			same := strings.Join(words(items[i].Completion), " ") == strings.Join(words(items[j].Completion), " ")
			if !same && cosine(bags[i], bags[j], nil, rarity) < foreign {
				rivals[i] = append(rivals[i], j)
			}
		}
	}
	return rivals
}
