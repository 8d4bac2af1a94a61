package demo

// Change is one fact that the shop changes after the model was trained.
type Change struct {
	Fact string `json:"fact"` // its ID
	New  string `json:"new"`  // its new value, one of the fact's rivals
}

// Changes returns the eight facts that change in the demo, in a fixed order.
func Changes() []Change {
	return []Change{
		{"return_window", "45 days"},
		{"express_cost", "$18"},
		{"free_shipping", "$50"},
		{"hours_weekday", "10 am to 8 pm"},
		{"kayak_rental", "$52"},
		{"student_discount", "15%"},
		{"workshop_day", "Tuesday"},
		{"membership_fee", "$25"},
	}
}

// Corrections returns the sentences that a customer may correct an answer to
// once the change is in force: the fact's answer forms with the new value.
func (c Change) Corrections() []string {
	f, ok := FactByID(c.Fact)
	if !ok {
		return nil
	}
	return f.Answers(c.New)
}
