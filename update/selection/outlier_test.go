package selection

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"nightshift/replaystore"
)

func TestRobustZ(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		values, want []float64
	}{
		{[]float64{1, 2, 3, 4, 5}, []float64{-2 / 1.4826, -1 / 1.4826, 0, 1 / 1.4826, 2 / 1.4826}},
		{[]float64{1, 2, 3, 4, 500}, []float64{-2 / 1.4826, -1 / 1.4826, 0, 1 / 1.4826, 497 / 1.4826}},
		{[]float64{7, 7, 7, 7}, []float64{0, 0, 0, 0}},
		{[]float64{7, 7, 7, 11}, []float64{0, 0, 0, 4 / 1.2533}}, // the mean absolute deviation is 1
		{[]float64{1, math.NaN(), 3, inf}, []float64{-1 / 1.4826, inf, 1 / 1.4826, inf}},
		{nil, nil},
	} {
		got := RobustZ(c.values)
		for i := range c.want {
			if math.Abs(got[i]-c.want[i]) > 1e-12 && got[i] != c.want[i] {
				t.Errorf("of %v: %v, want %v", c.values, got, c.want)
				break
			}
		}
	}
}

// TestOutliers: what the model finds far stranger than the rest of its kind waits, unless two people say it.
func TestOutliers(t *testing.T) {
	var events []replaystore.Event
	add := func(id, person, question, right string) {
		events = append(events, chat(id, person, question, "I do not know.", len(events)), says(id, person, 0, right, 100+len(events)))
	}
	for i := range 20 {
		name := fmt.Sprintf("thing%c", 'a'+i)
		add(fmt.Sprintf("i%02d", i), fmt.Sprintf("p%02d", i), "What does a "+name+" cost?", "A "+name+" costs nothing.")
	}
	add("strange", "eve", "What is zzyzx?", "Qwrt plmk vbnx.")
	add("steep", "eve", "What is a yurt?", "A yurt is a tent for a steppe.")
	add("news1", "ann", "Where is the new shop?", "The new shop is in Ullapool.")
	add("news2", "bob", "Where is the new shop?", "The new shop is in Ullapool.")
	for i := range 5 { // few of a kind are not judged
		id := fmt.Sprintf("approved%d", i)
		events = append(events, chat(id, id, "Do you sell "+id+"?", "Yes.", i), says(id, id, 1, "", 100+i))
	}
	opt := later()
	opt.Outliers = Outliers{Loss: 5, Gradient: 5}
	measure := func(items []Item) []Measure {
		list := make([]Measure, len(items))
		for i, it := range items {
			list[i] = Measure{Loss: 2 + float64(len(it.Completion))/100, Gradient: 1 + float64(len(LastQuestion(it.Prompt)))/100}
			switch {
			case it.ID == "strange" || strings.HasPrefix(it.ID, "news") || it.ID == "approved3":
				list[i].Loss = 12
			case it.ID == "steep":
				list[i].Gradient = math.Inf(1)
			}
		}
		return list
	}
	measured := func() Selection {
		c := CandidatesOf(events, opt)
		s, err := c.Select(measure(c.Items))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := measured()
	var waiting []string
	for _, it := range s.Quarantined {
		waiting = append(waiting, it.ID)
	}
	if !slices.Equal(waiting, []string{"strange", "steep"}) || len(s.Items) != 27 {
		t.Errorf("%v wait, %d are selected, want strange and steep to wait: %v", waiting, len(s.Items), s.Rejected)
	}
	if r := s.Rejected; len(r) != 2 || !r[0].Waits || !strings.Contains(r[0].Why, "its loss is 12") || !strings.Contains(r[1].Why, "its gradient is +Inf") {
		t.Errorf("reasons %v", r)
	}
	if s.Items[0].Loss < 2 {
		t.Errorf("the loss is not written down: %+v", s.Items[0])
	}
	opt.Outliers.Loss, opt.Outliers.Gradient = 0, 0
	if s := measured(); len(s.Quarantined) != 0 || s.Items[0].Loss < 2 {
		t.Errorf("without bounds %v wait, %+v", s.Quarantined, s.Items[0])
	}
	if _, err := CandidatesOf(events, opt).Select(make([]Measure, 3)); err == nil {
		t.Error("three measures of 29 examples are taken")
	}
}
