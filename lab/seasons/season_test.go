package seasons

import (
	"math"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
)

func TestYear(t *testing.T) {
	c := DefaultClimate()
	y := newYear(3, 30, c)
	moved := map[string]bool{}
	for day, list := range y.changes {
		if want := 0; day%c.Every != 1 && len(list) != want {
			t.Errorf("day %d: %d facts change", day, len(list))
		}
		for _, x := range list {
			if x.value == y.value(x.fact, day-1) || x.value != y.value(x.fact, day) {
				t.Errorf("day %d: %s changes from %s to %s", day, x.fact.ID, y.value(x.fact, day-1), x.value)
			}
			moved[x.fact.ID] = true
		}
	}
	for _, f := range y.steady {
		if moved[f.ID] || y.value(f, 30) != f.Value {
			t.Errorf("%s does not stay as it is", f.ID)
		}
	}
	if len(y.steady) != 24 || len(moved) != 24 {
		t.Errorf("%d facts stay and %d change", len(y.steady), len(moved))
	}
	wrong, late, said := 0, 0, 0
	for day := 1; day <= 30; day++ {
		seen := map[string]bool{}
		for _, q := range y.day(day) {
			v := q.visit
			if seen[v.id] {
				t.Fatalf("two visits are called %s", v.id)
			}
			seen[v.id] = true
			v.answer = v.about.Answers(q.truth)[0]
			told, ok := q.judge(v)
			if !ok {
				continue
			}
			said++
			if told.correction != "" {
				wrong++
				if v.about.RightFor(told.correction, q.truth) {
					t.Errorf("a right answer is corrected to %q, which is right", told.correction)
				}
			}
			if q.late > 0 {
				late++
			}
			v.answer = "I do not know."
			if told, _ = q.judge(v); !told.approval && !v.about.RightFor(told.correction, q.truth) {
				t.Errorf("a wrong answer is corrected to %q", told.correction)
			}
		}
	}
	t.Logf("of %d pieces of feedback on right answers %d are wrong and %d late", said, wrong, late)
	if share := float64(late) / float64(said); math.Abs(share-c.Late) > 0.03 || wrong == 0 {
		t.Errorf("%.2f of the feedback comes late", share)
	}
}

func TestAlmanac(t *testing.T) {
	year := func(seed uint64, last float64) []Entry {
		return []Entry{
			{Seed: seed, Steady: 1},
			{Seed: seed, Night: 1, Changed: []string{"a"}, New: 0.9, Moved: 0.9, Steady: 0.98, State: nightrecord.Published, Retention: 0.01, RetentionBound: 0.02, Drift: 0.05},
			{Seed: seed, Night: 2, New: 0.95, Moved: 0.95, Steady: last, State: nightrecord.Rejected, Refused: []string{"retention"}, Retention: 0.05, RetentionBound: 0.09},
		}
	}
	a := NewAlmanac(append(year(1, 0.99), year(2, 0.97)...))
	if len(a.Failures) != 0 || a.Seasons != 2 || a.Nights != 4 || a.Activated != 2 || math.Abs(a.MaxLost-0.03) > 1e-9 || math.Abs(a.Changed-0.9) > 1e-9 || a.MaxBound != 0.02 || math.Abs(a.Steady-0.98) > 1e-9 {
		t.Errorf("%+v", a)
	}
	bad := year(1, 0.96)
	bad[1].New, bad[2].State = 0.8, nightrecord.Published
	if a := NewAlmanac(bad); len(a.Failures) != 3 {
		t.Errorf("failures %v", a.Failures)
	}
	var table, page strings.Builder
	if err := a.Table(&table); err != nil {
		t.Fatal(err)
	}
	if err := a.HTML(&page, "nightlab nights"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"rejected (retention)", "98.0 %", "+0.0500"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	if s := page.String(); strings.Count(s, "<polyline") != 6 || !strings.Contains(s, "Season 2") || strings.Contains(s, "NaN") {
		t.Errorf("the page is\n%s", s)
	}
}
