package bench

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

// twoCases is a plan of a case "a" and a case "b" that is 0.8, 0.9 or 1 times as fast, by block.
func twoCases(options Options, order *[]string) plan {
	rate := func(name string, factor func(block int) float64) testCase {
		return testCase{name: name, weights: "f32", settings: []Number{{"batch", 4}}, run: func(_ context.Context, block int) (measurement, error) {
			*order = append(*order, name)
			base := float64(100 * (block + 1)) // the machine gets faster; ratios do not care
			return measurement{figures: []Number{{"tokens_per_second", base * factor(block)}}, samples: []sample{{"itl_ms", []float64{float64(block), 10}}},
				counts: []Number{{"failed", float64(block)}}}, nil
		}}
	}
	a := rate("a", func(int) float64 { return 1 })
	b := rate("b", func(block int) float64 { return []float64{0.8, 0.9, 1}[block%3] })
	return plan{bench: "test", options: options, judged: "b_over_a", cases: []testCase{a, b}, ratios: []ratio{{"b_over_a", 1, 0, "tokens_per_second"}}}
}

func TestPlan(t *testing.T) {
	var order []string
	var lines []Result
	p := twoCases(Options{Shape: "demo", Threads: 2, Blocks: 9, AtLeast: 0.75}, &order)
	report := func(r Result) error { lines = append(lines, r); return nil }
	over, err := p.run(t.Context(), report)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.conclude(over, over[1], report); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 9*2+2+1 {
		t.Fatalf("%d lines: want one a case and block, one a case, and the summary", len(lines))
	}
	first := map[string]int{}
	for i := 0; i < len(order); i += 2 {
		if order[i] == order[i+1] {
			t.Fatalf("block %d measured %s twice", i/2, order[i])
		}
		first[order[i]]++
	}
	if first["a"] == 0 || first["b"] == 0 {
		t.Errorf("the order within blocks is not random: %v", first)
	}
	want := map[string]float64{"b_over_a": 0.9, "b_over_a_low": 0.8, "b_over_a_high": 1, "tokens_per_second": 500 * 0.9, "failed": 36, "itl_ms_p50": 8, "itl_ms_p99": 10, "batch": 4}
	last := lines[len(lines)-1]
	for name, v := range want {
		if got, ok := last.Figure(name); !ok || got < v-1e-9 || got > v+1e-9 {
			t.Errorf("%s is %v, want %v", name, got, v)
		}
	}
	if !last.Summary || last.Judgement != Pass || last.Blocks != 9 || last.Block != 0 {
		t.Errorf("the summary is %+v", last)
	}
	if block3, ok := lines[5].Figure("b_over_a"); lines[5].Block != 3 || !ok || block3 != 1 {
		t.Errorf("block 3 is %+v", lines[5])
	}
}

func TestPlanJudgements(t *testing.T) {
	for _, test := range []struct {
		atLeast float64
		want    Judgement
	}{{0.85, Undecided}, {1.1, Fail}, {0, ""}} {
		var order []string
		var last Result
		p := twoCases(Options{Blocks: 9, AtLeast: test.atLeast}, &order)
		report := func(r Result) error { last = r; return nil }
		over, err := p.run(t.Context(), report)
		if err != nil {
			t.Fatal(err)
		}
		err = p.conclude(over, over[1], report)
		if last.Judgement != test.want || errors.Is(err, ErrJudged) != (test.want == Fail) {
			t.Errorf("at least %v: %q and error %v, want %q", test.atLeast, last.Judgement, err, test.want)
		}
	}
}

func TestCeiling(t *testing.T) {
	l := limits{bandwidth: 20, float: 100, int8: 400}
	tests := []struct {
		cost cost
		want float64
	}{
		{cost{bytes: 500e6, operations: 250e6}, 40},              // memory: 25 ms a token, arithmetic 2.5
		{cost{bytes: 31.25e6, operations: 250e6}, 400},           // arithmetic: 2.5 ms, memory 1.6
		{cost{bytes: 1e6, operations: 250e6, int8: true}, 1600},  // integer arithmetic
		{cost{bytes: 100e6, operations: 250e6, int8: true}, 200}, // memory again
	}
	for _, test := range tests {
		if got := l.ceiling(test.cost); got < test.want*0.999 || got > test.want*1.001 {
			t.Errorf("%+v: %v tokens/s, want %v", test.cost, got, test.want)
		}
	}
}

func TestResultJSON(t *testing.T) {
	r := Result{Bench: "decode", Case: "x", Shape: "demo", Weights: "f32", Threads: 2, Settings: []Number{{"batch", 1}}, Blocks: 10,
		Figures: []Number{{"tokens_per_second", 123.456789}, {"failed", 0}, {"tiny", 1e-320}}, Judgement: Pass, Summary: true}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"bench":"decode","case":"x","shape":"demo","weights":"f32","verdict":"pass","threads":2,"blocks":10,"batch":1,"tokens_per_second":123.46,"failed":0,"tiny":1e-320,"summary":true}`
	if string(data) != want {
		t.Errorf("encoded\n%s, want\n%s", data, want)
	}
	var back Result
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	r.Figures = []Number{{"batch", 1}, {"tokens_per_second", 123.46}, {"failed", 0}, {"tiny", 1e-320}}
	r.Settings = nil
	if !reflect.DeepEqual(back, r) {
		t.Errorf("read back %+v, want %+v", back, r)
	}
	for _, bad := range []string{`[]`, `{"bench":[1]}`, `{"bench":`, `1`, `null`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is read without an error", bad)
		}
	}
}
