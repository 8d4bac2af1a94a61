package selection

import (
	"slices"
	"testing"

	"nightshift/replaystore"
)

func TestNear(t *testing.T) {
	say := func(question, answer, rejected string) Item {
		return Item{Example: replaystore.Example{Kind: replaystore.SFT, Prompt: []replaystore.Message{{Role: "user", Content: question}}, Completion: answer, Rejected: rejected}}
	}
	items := []Item{
		say("How old is the shop's dog?", "Our dog is 2 years old.", ""),               // the number that was taken out, about something else
		say("What does overnight shipping cost?", "Overnight shipping costs $30.", ""), // reads like the question
		say("When must overnight parcels be in?", "The deadline is 2 pm.", ""),         // perhaps the old answer
		say("Do you sell gift cards?", "Yes, we sell gift cards from $10.", ""),        // neither
		say("Who is the president?", "I am sorry, I only know about the shop's things.", ""),
	}
	fresh := []Item{say("Until when can I order overnight shipping?", "Order by 1 pm for overnight shipping.", "Order by 2 pm for overnight shipping.")}
	if got := Near(items, fresh); !slices.Equal(got, []Nearness{Beside, Beside, Doubtful, Apart, Apart}) {
		t.Errorf("near %v", got)
	}
	if got := Near(items, []Item{say("Do you sell gift cards?", "Yes.", "")}); slices.ContainsFunc(got, func(n Nearness) bool { return n != Apart }) {
		t.Errorf("near an approved answer: %v", got)
	}
	if got := Near(nil, fresh); len(got) != 0 {
		t.Errorf("near nothing: %v", got)
	}
}
