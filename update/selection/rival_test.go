package selection

import (
	"slices"
	"testing"

	"nightshift/replaystore"
)

func heldCorrection(id, question, rejected, completion string) Item {
	return Item{Example: replaystore.Example{ID: id, Prompt: []replaystore.Message{{Role: "user", Content: question}}, Rejected: rejected, Completion: completion}, Use: HeldOut}
}

func TestRivals(t *testing.T) {
	items := []Item{
		heldCorrection("a", "How long is the return window?", "You have 30 days to return an item.", "You have 45 days to return an item."),
		heldCorrection("b", "Can I send goods back after a month?", "Returns are taken for 30 days.", "Returns are taken for 45 days."), // the same question as a
		heldCorrection("c", "What does a kayak cost?", "A kayak costs $48 to rent.", "A kayak costs $52 to rent."),
		heldCorrection("d", "Price of renting a kayak?", "A kayak costs $48 to rent.", "A kayak costs $52 to rent."), // says what c says
		heldCorrection("e", "When does the workshop meet?", "It meets on Monday.", "It meets on Tuesday."),
	}
	approved := heldCorrection("f", "Where is parking?", "", "Parking is behind the shop.")
	trained := heldCorrection("g", "Is membership free?", "It is free.", "It is $25.")
	trained.Use = New
	items = append(items, approved, trained)
	want := [][]int{{2, 3, 4}, {2, 3, 4}, {4, 0, 1}, {4, 0, 1}, {0, 1, 2}, nil, nil}
	got := Rivals(items, 3)
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("rivals of %s are %v, want %v", items[i].ID, got[i], want[i])
		}
	}
	if one := Rivals(items[:2], 3); len(one[0]) != 0 || len(one[1]) != 0 {
		t.Errorf("corrections of one question have rivals: %v", one)
	}
}
