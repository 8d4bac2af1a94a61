package selection

// Nearness says how an item that is known lies to what is new.
type Nearness int

// The kinds of nearness.
const (
	Apart    Nearness = iota
	Beside            // it reads like a correction's question and says something else, or holds what the correction took out and is about something else
	Doubtful          // it holds what a correction took out, and may be about the same question: perhaps it is the old answer in other words
)

// Near says how items lie to the corrections among what is new. What is learned shows beside it first, where it should not: a shop
// whose deadline moves from 2 pm to 1 pm still delivers in 2 days. Items that a correction contradicts are taken to be gone already.
func Near(items, fresh []Item) []Nearness {
	var corrections []correction
	for _, it := range fresh {
		if it = Plain(it); it.Rejected != "" && it.Completion != "" {
			corrections = append(corrections, newCorrection(it))
		}
	}
	bags := make([][]string, len(items))
	for i, it := range items {
		bags[i] = words(LastQuestion(it.Prompt) + " " + it.Completion)
	}
	rarity := idf(append(append([][]string{}, bags...), correctionBags(corrections)...))
	list := make([]Nearness, len(items))
	for i, it := range items {
		answer := words(it.Completion)
		for _, c := range corrections {
			alike, holds := cosine(bags[i], c.bag, changedWords(c), rarity), c.takenOut(answer)
			switch {
			case holds && alike >= foreign:
				list[i] = Doubtful
			case list[i] == Apart && (holds || alike >= similarity):
				list[i] = Beside
			}
		}
	}
	return list
}
