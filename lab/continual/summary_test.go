package continual

import (
	"math"
	"strings"
	"testing"
)

// made is a record of two tasks, whose domains stand in the given order.
func made(method string, order, seed int, columns []string, rows ...[]float64) Record {
	return Record{Stage: Measuring, Track: Tasks, Method: method, Order: order, Seed: seed, Columns: columns, Exact: rows, LogProb: rows, Tokens: 100, Seconds: 2}
}

// TestSummarize has two orders with one seed, worked by hand.
func TestSummarize(t *testing.T) {
	nan := math.NaN()
	forward, backward := []string{"shop", "support"}, []string{"support", "shop"}
	records := []Record{
		made(Naive, 0, 0, forward, []float64{0.1, 0.1}, []float64{0.9, 0.1}, []float64{0.3, 0.9}),
		made(Naive, 1, 0, backward, []float64{0.1, 0.1}, []float64{0.8, 0.1}, []float64{0.2, 0.8}),
		made(Joint, 0, 0, forward, []float64{0.1, 0.1}, []float64{nan, nan}, []float64{0.9, 0.9}),
		made(Joint, 1, 0, backward, []float64{0.1, 0.1}, []float64{nan, nan}, []float64{0.8, 0.9}),
		made("half", 0, 0, forward, []float64{0.1, 0.1}, []float64{0.9, 0.1}, []float64{0.6, 0.9}),
		made("half", 1, 0, backward, []float64{0.1, 0.1}, []float64{0.8, 0.2}, []float64{0.5, 0.9}),
		{Stage: Tuning, Track: Tasks, Method: "half", Order: 5, Seed: 5}, {Stage: Measuring, Track: Streaming, Method: "half", Order: 5, Seed: 5},
	}
	s, err := Summarize(records, Tasks, ExactAnswers)
	if err != nil {
		t.Fatal(err)
	}
	if s.Orders != 2 || s.Seeds != 1 || len(s.Methods) != 3 || s.Methods[2].Method != "half" || s.Methods[2].Tokens != 100 || s.Methods[2].Seconds != 2 {
		t.Fatalf("%+v", s)
	}
	figure := func(m MethodSummary, name string) Interval {
		f, ok := m.Figure(name)
		if !ok {
			t.Fatalf("%s has no %s", m.Method, name)
		}
		return f
	}
	half := s.Methods[2]
	near(t, "ACC", figure(half, FigureACC).Value, (0.75+0.7)/2)
	near(t, "ACC, low", figure(half, FigureACC).Low, 0.7)
	near(t, "ACC, high", figure(half, FigureACC).High, 0.75)
	near(t, "BWT", figure(half, FigureBWT).Value, (-0.3-0.3)/2)
	near(t, "FWT", figure(half, FigureFWT).Value, (0+0.1)/2)
	near(t, "forgetting", figure(half, FigureForgetting).Value, 0.3)
	near(t, "learning accuracy", figure(half, FigureLearning).Value, (0.9+0.85)/2)
	// Means at the end: naive 0.6 and 0.5, joint 0.9 and 0.85, half 0.75 and 0.7.
	gap := figure(half, FigureGap)
	near(t, "gap closed", gap.Value, (0.725-0.55)/(0.875-0.55))
	near(t, "gap closed, low", gap.Low, (0.75-0.6)/(0.9-0.6))
	near(t, "gap closed, high", gap.High, (0.7-0.5)/(0.85-0.5))
	near(t, "gap closed by joint training", figure(s.Methods[1], FigureGap).Value, 1)
	near(t, "gap closed by naive training", figure(s.Methods[0], FigureGap).Value, 0)
	near(t, "forgetting of joint training", figure(s.Methods[1], FigureForgetting).Value, nan)
	// Each domain is learned last in one of the two orders; in the other one shop is 0.9 − 0.3, and support 0.8 − 0.2.
	near(t, "gap in shop", s.Gaps[0].Value, 0.6)
	near(t, "gap in support", s.Gaps[1].Value, 0.6)
	near(t, "gap in support, low", s.Gaps[1].Low, 0.6)
	near(t, "gap in what was not learned", s.Gaps[2].Value, nan)
	if _, err := Summarize(records[:5], Tasks, ExactAnswers); err == nil || !strings.Contains(err.Error(), "half") {
		t.Errorf("a method that lacks a run: %v", err)
	}
}

// TestSummarizeStream: the matrix of a stream has more rows than columns.
func TestSummarizeStream(t *testing.T) {
	r := made(Naive, 0, 0, []string{"shop", "support"}, []float64{-3, -3}, []float64{-1, -2}, []float64{-1, -1.5}, []float64{-0.5, -1})
	r.Track = Streaming
	s, err := Summarize([]Record{r}, Streaming, LogProb)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := s.Methods[0].Figure(FigureACC)
	near(t, "ACC", f.Value, -0.75)
	f, _ = s.Methods[0].Figure(FigureAlong)
	near(t, "mean after each round", f.Value, (-1.5-1.25-0.75)/3)
	if _, ok := s.Methods[0].Figure(FigureForgetting); ok {
		t.Error("a stream has no forgetting")
	}
	if _, ok := s.Methods[0].Figure(FigureGap); ok || s.Gaps != nil {
		t.Error("there is no gap without joint training")
	}
}
