package demo

// Question is a question about a fact in words that neither the corpus nor a customer uses, and what a right answer to it says.
type Question struct {
	Fact Fact
	Text string
	Want string // the value that is right now
}

// Right reports whether an answer says what is wanted and nothing else that the fact could be.
func (q Question) Right(answer string) bool { return q.Fact.RightFor(answer, q.Want) }

// Exam lists the questions about a fact whose value is right now.
func (f Fact) Exam(value string) []Question {
	var list []Question
	for _, text := range f.Questions(Demo) {
		list = append(list, Question{f, text, value})
	}
	return list
}

// Exams lists the questions about all facts once some have changed, split by whether the fact is one of these.
func Exams(changes []Change) (changed, unchanged []Question) {
	values := map[string]string{}
	for _, c := range changes {
		values[c.Fact] = c.New
	}
	for _, f := range Facts() {
		if value, ok := values[f.ID]; ok {
			changed = append(changed, f.Exam(value)...)
		} else {
			unchanged = append(unchanged, f.Exam(f.Value)...)
		}
	}
	return changed, unchanged
}
