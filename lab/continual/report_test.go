package continual

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nightshift/update/train/method"
)

// summary of a track with one figure a method.
func gaps(clear bool, methods ...MethodSummary) Summary {
	low := 0.1
	if !clear {
		low = -0.1
	}
	return Summary{Track: Tasks, Scale: ExactAnswers, Orders: 3, Seeds: 3, Methods: methods, Gaps: []Figure{{"shop", Interval{0.5, low, 0.9}}}}
}

func closes(name, family string, value, low, high float64) MethodSummary {
	return MethodSummary{Method: name, Family: family, Figures: []Figure{{FigureGap, Interval{value, low, high}}}}
}

// TestAdvise: each family that was measured has a verdict, and what is not shown to help is named, with the reason where the way that it works
// gives one.
func TestAdvise(t *testing.T) {
	s := gaps(true, closes(Naive, Bounds, 0, 0, 0), closes("keeps much", method.Memory, 0.9, 0.8, 0.95), closes("keeps some", method.Memory, 0.85, 0.7, 0.9), closes("keeps little", method.Memory, 0.4, 0.3, 0.5),
		closes("A-GEM", method.Memory, 0.02, -0.01, 0.04), closes("pulls", method.Regularization, 0.05, -0.05, 0.1), closes("LwF", method.Regularization, -0.01, -0.2, 0.02), closes("in rounds", method.Meta, 0.8, 0.7, 0.85))
	agem, lwf := weaknessOf(t, "a-gem"), weaknessOf(t, "lwf")
	want := []string{
		"Memory, where examples of the past may be kept: keeps much is best and closes 90 % (80 to 95) of the gap between naive and joint training, clear of naive training; not shown to be worse: keeps some (85 % (70 to 90)).",
		"Regularization, where no example may be kept and one adapter must do: pulls is best and closes 5 % (-5 to 10) of the gap between naive and joint training, and no method of the family is clear of naive training; not shown to be worse: LwF (-1 % (-20 to 2)).",
		"Meta-learning, where examples of the past may be kept, too: in rounds is best and closes 80 % (70 to 85) of the gap between naive and joint training, clear of naive training.",
		"Not shown to be better than naive training: A-GEM, which closes 2 % (-1 to 4); " + agem + ".",
		"Not shown to be better than naive training: pulls, which closes 5 % (-5 to 10).",
		"Not shown to be better than naive training: LwF, which closes -1 % (-20 to 2); " + lwf + ".",
	}
	if got := Advise(s); !slices.Equal(got, want) {
		t.Errorf("advice:\n%s", strings.Join(got, "\n"))
	}
	if got := Advise(gaps(false, s.Methods...)); len(got) != len(want)+1 || !strings.Contains(got[0], "not clearly better than naive training in shop") {
		t.Errorf("advice where nothing is clear:\n%s", strings.Join(got, "\n"))
	}
	if got := Advise(Summary{}); len(got) != 1 {
		t.Errorf("advice from nothing: %v", got)
	}
}

// TestAdviseOfWhatVaries: the best of a family may vary so much that another one is clear of naive training and it is not; and on a stream
// what a memory holds may be out of date.
func TestAdviseOfWhatVaries(t *testing.T) {
	s := gaps(true, closes("wild", method.Modular, 0.6, -0.1, 0.9), closes("steady", method.Modular, 0.5, 0.4, 0.6), closes("remembers", method.Memory, -0.1, -0.2, 0.1))
	want := "Modular, where it is known which task is which while learning: wild is best and closes 60 % (-10 to 90) of the gap between naive and joint training, not clear of naive training; clear of it: steady (50 % (40 to 60)); not shown to be worse: steady (50 % (40 to 60))."
	if got := Advise(s); !slices.Contains(got, want) || strings.Contains(strings.Join(got, "\n"), "changed since") {
		t.Errorf("advice:\n%s", strings.Join(got, "\n"))
	}
	s.Track = Streaming
	if got := Advise(s); !strings.HasPrefix(got[len(got)-1], "Not shown to be better than naive training: remembers, ") || !strings.Contains(got[len(got)-1], "changed since") {
		t.Errorf("advice on a stream:\n%s", strings.Join(got, "\n"))
	}
}

// weaknessOf is that of a method by its key, which must have one.
func weaknessOf(t *testing.T, key string) string {
	t.Helper()
	all := Methods()
	i := slices.IndexFunc(all, func(m Method) bool { return m.Key == key })
	if i < 0 || all[i].Weakness == "" {
		t.Fatalf("method %s is missing, or has no weakness", key)
	}
	return all[i].Weakness
}

// TestFamilies: every method is of a family that is judged, or a bound, and every family has methods; those that nights know are of the family
// of the one method of their table that they turn on, at every strength.
func TestFamilies(t *testing.T) {
	count := map[string]int{}
	for _, m := range Methods() {
		count[m.Family]++
		for _, s := range append(m.Grid, m.Settings) {
			if on := s.On(); len(on) > 1 || len(on) == 1 && s.family() != m.Family {
				t.Errorf("%s turns on %v and is of the family %s", m.Name, on, m.Family)
			}
		}
	}
	for _, f := range families {
		if count[f.name] == 0 {
			t.Errorf("no method is of the family %s", f.name)
		}
		delete(count, f.name)
	}
	if delete(count, Bounds); len(count) > 0 {
		t.Errorf("families %v are not judged", count)
	}
}

// TestReport writes the report of real runs: it has a heat map and a row for each method, refers to nothing outside, and
// holds every record.
func TestReport(t *testing.T) {
	sameGoroutines(t)
	opt := small(t, "frozen", Naive, Joint, "replay 10 %")
	opt.Orders, opt.Tracks = 1, []string{Tasks, Streaming}
	for i := range opt.Methods {
		opt.Methods[i].Grid = nil
	}
	records := runAll(t, t.TempDir(), opt)
	r := Report{Model: opt.Model.Digest, Budget: opt.Budget, Sizes: opt.Sizes, Stream: opt.Stream, Records: records}
	for _, track := range opt.Tracks {
		for _, scale := range []Scale{ExactAnswers, LogProb} {
			s, err := Summarize(records, track, scale)
			if err != nil {
				t.Fatal(err)
			}
			r.Summaries = append(r.Summaries, s)
		}
	}
	var out, again bytes.Buffer
	if err := r.HTML(&out); err != nil {
		t.Fatal(err)
	}
	if err := r.HTML(&again); err != nil || out.String() != again.String() {
		t.Errorf("the same report was written twice in two ways, error %v", err)
	}
	text := out.String()
	if n := strings.Count(text, "<figcaption>replay 10 %</figcaption>"); n != 4 { // two heat maps and two curves
		t.Errorf("%d drawings of a method", n)
	}
	for _, outside := range []string{"http:", "https:", "src=", "url(", "@import", "NaN", "ZgotmplZ", "<no value>"} {
		if strings.Contains(text, outside) {
			t.Errorf("the page has %q in it", outside)
		}
	}
	data := regexp.MustCompile(`(?s)id="runs">(.*?)</script>`).FindStringSubmatch(text)
	var back []Record
	if data == nil || json.Unmarshal([]byte(data[1]), &back) != nil || len(back) != len(records) {
		t.Fatalf("%d records can be read back, want %d", len(back), len(records))
	}
	if figures(t, back) != figures(t, records) {
		t.Error("records in the page differ")
	}
	if !strings.Contains(text, "memory 0.1, ratio 1") || !strings.Contains(text, "Settings\nare those that methods bring along") {
		t.Error("the page does not say what the settings are")
	}
	var table bytes.Buffer
	if err := r.Summaries[0].Table(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"method", FigureForgetting, "replay 10 %", "joint − naive in railway"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, table.String())
		}
	}
}
