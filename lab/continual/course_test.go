package continual

import (
	"reflect"
	"slices"
	"testing"

	"nightshift/update/train"
)

func TestOrders(t *testing.T) {
	orders := Orders(3, 5)
	if !slices.Equal(orders[0], []int{0, 1, 2, 3, 4}) {
		t.Errorf("the first order is %v", orders[0])
	}
	for i, o := range orders {
		sorted := slices.Sorted(slices.Values(o))
		if !slices.Equal(sorted, orders[0]) {
			t.Errorf("order %d is %v", i, o)
		}
		for _, p := range orders[:i] {
			if o[0] == p[0] || o[4] == p[4] {
				t.Errorf("orders %v and %v begin or end alike", p, o)
			}
		}
	}
	if !reflect.DeepEqual(orders, Orders(3, 5)) || !reflect.DeepEqual(orders, Orders(5, 5)[:3]) {
		t.Error("orders are not the same every time")
	}
	if got := Orders(3, 2); len(got) != 3 {
		t.Errorf("three orders of two domains: %v", got)
	}
}

// TestTaskCourse: nothing that is asked was learned from, tasks of one seed know the same facts in every order, and tuning
// uses other facts than measuring.
func TestTaskCourse(t *testing.T) {
	size := DefaultSizes()
	a := TaskCourse([]int{0, 1, 2, 3, 4}, Final, Test, 1, size)
	b := TaskCourse([]int{4, 2, 0, 1, 3}, Final, Test, 1, size)
	if !reflect.DeepEqual(a.Phases[0].Learn, b.Phases[2].Learn) || !reflect.DeepEqual(a.Before[0], b.Before[2]) || b.Columns[2] != "shop" {
		t.Error("two orders know different facts")
	}
	learned, facts := map[string]bool{}, map[string]bool{}
	for _, it := range a.Union {
		learned[plain(it.Question)], facts[it.Fact.Key()] = true, true
	}
	early := map[string]bool{}
	for _, it := range a.Phases[0].Learn[:10] {
		early[it.Fact.Key()] = true
	}
	if len(early) < 5 {
		t.Errorf("the first ten questions are about %d facts", len(early))
	}
	if len(a.Union) != 5*24*size.Train {
		t.Errorf("%d questions to learn from", len(a.Union))
	}
	for i, p := range a.Phases {
		for k := range p.Exams {
			if len(p.Exams[k]) != 24*size.Exam || len(p.Quick[k]) != size.Quick {
				t.Errorf("exams of %d and %d questions", len(p.Exams[k]), len(p.Quick[k]))
			}
			for _, it := range slices.Concat(p.Exams[k], p.Quick[k]) {
				if learned[plain(it.Question)] || !facts[it.Fact.Key()] || it.Fact.Domain != a.Columns[k] {
					t.Errorf("phase %d: %q is asked", i, it.Question)
				}
			}
		}
	}
	for _, p := range TaskCourse([]int{0, 1, 2, 3, 4}, Tune, Validation, 1, size).Phases {
		for _, it := range slices.Concat(p.Learn, p.Exams[0]) {
			if facts[it.Fact.Key()] {
				t.Errorf("%s is tuned and measured on", it.Fact.Key())
			}
		}
	}
}

// TestStreamCourse: exams ask for what is right in their round, and joint training for what is right in the end.
func TestStreamCourse(t *testing.T) {
	opt := DefaultStream()
	c, err := StreamCourse([]int{0, 1, 2, 3, 4}, Final, Test, 1, DefaultSizes(), opt)
	if err != nil {
		t.Fatal(err)
	}
	rounds := stream(t, 1, opt)
	if len(c.Phases) != opt.Rounds {
		t.Fatalf("%d phases", len(c.Phases))
	}
	for i, p := range c.Phases {
		if len(p.Learn) != len(rounds[i].Feedback) {
			t.Errorf("round %d learns from %d, want %d", i, len(p.Learn), len(rounds[i].Feedback))
		}
		truth := map[string]string{}
		for _, f := range rounds[i].Truth {
			truth[f.Key()] = f.Value
		}
		for k, exam := range p.Exams {
			for _, it := range exam {
				if it.Fact.Value != truth[it.Fact.Key()] || it.Fact.Domain != c.Columns[k] {
					t.Fatalf("round %d asks for %+v, which is %s", i, it.Fact, truth[it.Fact.Key()])
				}
			}
		}
		if i == len(c.Phases)-1 {
			for _, it := range c.Union {
				if it.Fact.Value != truth[it.Fact.Key()] {
					t.Fatalf("joint training learns %+v, which is %s in the end", it.Fact, truth[it.Fact.Key()])
				}
			}
		}
	}
	if _, err := StreamCourse([]int{0}, Final, Test, 1, DefaultSizes(), StreamOptions{}); err == nil {
		t.Error("a stream without rounds is a course")
	}
}

func TestRouter(t *testing.T) {
	r := router{vocab: 10}
	if r.route([]int32{1}) != -1 {
		t.Error("there is nothing to choose from")
	}
	r.learn([]train.Sequence{{Tokens: []int32{1, 2, 3, 9}, Prompt: 3}, {Tokens: []int32{1, 2, 4, 9}, Prompt: 3}})
	r.learn([]train.Sequence{{Tokens: []int32{5, 6, 3, 9}, Prompt: 3}})
	for _, c := range []struct {
		prompt []int32
		want   int
	}{{[]int32{1, 2}, 0}, {[]int32{6, 5, 7}, 1}, {[]int32{5, 3}, 1}, {[]int32{4}, 0}} {
		if got := r.route(c.prompt); got != c.want {
			t.Errorf("%v goes to task %d, want %d", c.prompt, got, c.want)
		}
	}
}
