package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"nightshift/models/quantize"
)

// servedAs is an answer that was served as it should be: two tokens of prompt, three of answer.
func servedAs(change func(a *Answer)) Answer {
	a := Answer{Sequence: Sequence{ID: "a", Tokens: []int32{1, 2, 3, 4, 5}, Prompt: 2},
		Served: &Served{Prompt: []int32{1, 2}, Answer: []int32{3, 4, 5}, LogProbs: []float32{-1, -2, -4}, Version: "sha256:v", Weights: quantize.Float32, Template: "t"}}
	if change != nil {
		change(&a)
	}
	return a
}

func TestWhatIsTakenAsRecorded(t *testing.T) {
	champion := Champion{Version: "sha256:v", Template: "t"}
	for _, c := range []struct {
		name, why string
		change    func(a *Answer)
		want      []float32
	}{
		{"as it should be", "", nil, []float32{-1, -2, -4}},
		{"the changed suffix", "", func(a *Answer) { a.Prompt = 4 }, []float32{-4}},
		{"nothing changed behind its end", "", func(a *Answer) { a.Prompt = 5 }, []float32{}},
		{"a raw prompt", "", func(a *Answer) { a.Served.Template = "" }, []float32{-1, -2, -4}},
		{"not served", "not served", func(a *Answer) { a.Served = nil }, nil},
		{"redacted", "redacted", func(a *Answer) { a.Served.Redacted = true }, nil},
		{"another version", "another version", func(a *Answer) { a.Served.Version = "" }, nil},
		{"int8 weights", "other weights", func(a *Answer) { a.Served.Weights = "int8" }, nil},
		{"unknown weights", "other weights", func(a *Answer) { a.Served.Weights = "" }, nil},
		{"another template", "chat template", func(a *Answer) { a.Served.Template = "u" }, nil},
		{"another prompt", "tokens", func(a *Answer) { a.Tokens[0] = 9 }, nil},
		{"another answer", "tokens", func(a *Answer) { a.Tokens[4] = 9 }, nil},
		{"an end of text that was not said", "tokens", func(a *Answer) { a.Tokens = append(a.Tokens, 0) }, nil},
		{"nothing recorded", "not recorded", func(a *Answer) { a.Served.LogProbs = nil }, nil},
		{"too little recorded", "not recorded", func(a *Answer) { a.Served.LogProbs = a.Served.LogProbs[1:] }, nil},
		{"loss on the prompt", "prompt carry loss", func(a *Answer) { a.Prompt = 1 }, nil},
		{"too long", "longer than a row", func(a *Answer) {
			a.Tokens, a.Served.Answer, a.Served.LogProbs = []int32{1, 2, 3, 4, 5, 6}, []int32{3, 4, 5, 6}, []float32{-1, -2, -4, -1}
		}, nil},
	} {
		got, why := champion.recorded(servedAs(c.change), 5)
		if !slices.Equal(got, c.want) || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s: %v, %q; want %v, %q", c.name, got, why, c.want, c.why)
		}
	}
}

// TestReferences takes what agrees, computes what is missing, and trusts nothing where what is recorded does not agree.
func TestReferences(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	scorer := tinyScorer(t, base, trainable, 2, 16)
	champion := Champion{Params: slices.Clone(s.Parameters()), Version: "sha256:v"}
	var list []Answer
	for i := range int32(7) {
		list = append(list, Answer{Sequence: Sequence{ID: string('a' + i), Tokens: []int32{1 + i, 2, 3, 4 + i, 5}, Prompt: 2}})
	}
	sequences := make([]Sequence, len(list))
	for i, a := range list {
		sequences[i] = a.Sequence
	}
	truth, err := scorer.LogProbs(champion.Params, sequences)
	if err != nil {
		t.Fatal(err)
	}
	run := func(error float32) (ReferenceReport, []Answer) {
		t.Helper()
		answers := slices.Clone(list)
		var pointers []*Answer
		for i := range answers {
			pointers = append(pointers, &answers[i])
			if i == 0 {
				continue // never served
			}
			recorded := slices.Clone(truth[i])
			for j := range recorded {
				recorded[j] += error
			}
			answers[i].Served = &Served{Prompt: answers[i].Tokens[:2], Answer: answers[i].Tokens[2:], LogProbs: recorded, Version: "sha256:v", Weights: quantize.Float32}
		}
		answers[6].Served.Version = "sha256:older"
		report, err := scorer.References(champion, pointers)
		if err != nil {
			t.Fatal(err)
		}
		return report, answers
	}
	const slight = 1e-3 // per token, as much as two graphs could differ by rounding
	report, answers := run(slight)
	if report.Recorded != 5 || report.Computed != 2 || math.Abs(report.Apart-slight) > 1e-4 || report.Reasons["another version answered"] != 1 || len(report.Reasons) != 1 {
		t.Errorf("report %+v", report)
	}
	for i, a := range answers {
		want := total(truth[i])
		if i > 0 && i < 6 {
			want += 3 * slight // as recorded
		}
		if math.Abs(a.Reference-want) > 1e-4 {
			t.Errorf("reference %d is %g, want %g", i, a.Reference, want)
		}
	}
	report, answers = run(0.5)
	if report.Recorded != 0 || report.Computed != 7 || math.Abs(report.Apart-0.5) > 1e-3 || report.Reasons["what was recorded does not agree with the champion"] != 5 {
		t.Errorf("report %+v", report)
	}
	for i, a := range answers {
		if math.Abs(a.Reference-total(truth[i])) > 1e-4 {
			t.Errorf("reference %d is %g, want %g", i, a.Reference, total(truth[i]))
		}
	}
	if report, err := scorer.References(champion, nil); err != nil || report.Recorded+report.Computed != 0 {
		t.Errorf("without answers: %+v, %v", report, err)
	}
	champion.Params[0] = float32(math.NaN())
	if _, err := scorer.References(champion, []*Answer{&list[0]}); err == nil || !strings.Contains(err.Error(), "reference of a") {
		t.Errorf("error %v", err)
	}
	champion.Params = champion.Params[1:]
	if _, err := scorer.References(champion, []*Answer{&list[0]}); err == nil {
		t.Error("too few parameters were accepted")
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct{ n, from int }{{0, 0}, {3, 3}, {4, 4}, {4, 5}, {4, 100}} {
		list := make([]int, c.from)
		for i := range list {
			list[i] = 10 + i
		}
		got := spread(list, 4)
		if len(got) != c.n || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != c.n {
			t.Errorf("of %d: %v", c.from, got)
		}
	}
}
