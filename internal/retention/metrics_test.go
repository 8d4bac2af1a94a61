package retention

import (
	"encoding/json"
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-9 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestMeasure holds three tasks worked by hand.
func TestMeasure(t *testing.T) {
	m, err := Measure(Matrix{
		{0.10, 0.20, 0.30},
		{0.90, 0.25, 0.20}, // after the first
		{0.60, 0.80, 0.40},
		{0.70, 0.50, 1.00},
	})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "ACC", m.ACC, (0.70+0.50+1.00)/3)
	near(t, "BWT", m.BWT, ((0.70-0.90)+(0.50-0.80))/2)
	near(t, "FWT", m.FWT, ((0.25-0.20)+(0.40-0.30))/2)
	near(t, "forgetting", m.Forgetting, ((0.90-0.70)+(0.80-0.50))/2)
	near(t, "learning accuracy", m.Learning, (0.90+0.80+1.00)/3)
}

// TestMeasureForgettingIsFromTheBest has a task that is best known after another one: BWT compares with the row of the
// task itself, forgetting with the best row, and rows after the last or before the first do not count.
func TestMeasureForgettingIsFromTheBest(t *testing.T) {
	m, err := Measure(Matrix{{0.95, 0, 0}, {0.5, 0, 0}, {0.8, 0.3, 0}, {0.6, 0.4, 0.9}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "BWT", m.BWT, ((0.6-0.5)+(0.4-0.3))/2)
	near(t, "forgetting", m.Forgetting, ((0.8-0.6)+(0.3-0.4))/2)
}

// TestMeasureNegativeScores repeats the figures in −nats per token. Adding a constant to all scores moves ACC and learning
// accuracy by it and leaves the differences alone, which a maximum that starts from 0 would break.
func TestMeasureNegativeScores(t *testing.T) {
	r := Matrix{{-3.0, -2.5}, {-0.2, -2.6}, {-1.7, -0.1}}
	m, err := Measure(r)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "ACC", m.ACC, -0.9)
	near(t, "BWT", m.BWT, -1.5)
	near(t, "FWT", m.FWT, -0.1)
	near(t, "forgetting", m.Forgetting, 1.5)
	near(t, "learning accuracy", m.Learning, -0.15)
	for _, row := range r {
		for j := range row {
			row[j] += 10
		}
	}
	moved, err := Measure(r)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "ACC moved", moved.ACC, m.ACC+10)
	near(t, "learning accuracy moved", moved.Learning, m.Learning+10)
	near(t, "BWT moved", moved.BWT, m.BWT)
	near(t, "FWT moved", moved.FWT, m.FWT)
	near(t, "forgetting moved", moved.Forgetting, m.Forgetting)
}

// TestMeasureWhatIsMissing: joint training has a first and a last row alone, and one task has no before or after.
func TestMeasureWhatIsMissing(t *testing.T) {
	r := NewMatrix(3, 2)
	copy(r[0], []float64{-2, -2})
	copy(r[2], []float64{-0.5, -0.3})
	m, err := Measure(r)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "ACC", m.ACC, -0.4)
	for what, v := range map[string]float64{"BWT": m.BWT, "FWT": m.FWT, "forgetting": m.Forgetting, "learning accuracy": m.Learning} {
		near(t, what, v, math.NaN())
	}
	if m, err = Measure(Matrix{{0.1}, {0.9}}); err != nil {
		t.Fatal(err)
	}
	near(t, "ACC of one task", m.ACC, 0.9)
	near(t, "learning accuracy of one task", m.Learning, 0.9)
	near(t, "BWT of one task", m.BWT, math.NaN())
	for _, bad := range []Matrix{nil, {{1}}, {{1, 2}, {3, 4}}, {{1, 2}, {3}, {4, 5}}} {
		if _, err := Measure(bad); err == nil {
			t.Errorf("%v was measured", bad)
		}
	}
}

// TestMeasureForgettingWithoutEarlierRows: production never scores versions on what only later nights learned.
func TestMeasureForgettingWithoutEarlierRows(t *testing.T) {
	nan := math.NaN()
	m, err := Measure(Matrix{{-3, nan, nan}, {-0.5, -3, nan}, {-0.4, -1, -2}, {-0.9, -1.5, -0.2}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "BWT", m.BWT, ((-0.9+0.5)+(-1.5+1))/2)
	near(t, "FWT", m.FWT, nan)
	near(t, "forgetting", m.Forgetting, ((0.9-0.4)+(1.5-1))/2)
	if m, err = Measure(Matrix{{0, 0, 0}, {0, 0, 0}, {nan, 0, 0}, {0, 0, 0}}); err != nil {
		t.Fatal(err)
	}
	near(t, "forgetting of what was not measured since it was learned", m.Forgetting, nan)
}

func TestGapClosed(t *testing.T) {
	near(t, "gap closed", GapClosed(0.7, 0.4, 0.8), 0.75)
	near(t, "gap closed in −nats", GapClosed(-0.5, -2, -0.4), 1.5/1.6)
	near(t, "worse than naive", GapClosed(0.3, 0.4, 0.8), -0.25)
	near(t, "no gap", GapClosed(0.7, 0.8, 0.8), math.NaN())
	near(t, "joint is worse", GapClosed(0.7, 0.8, 0.6), math.NaN())
	near(t, "joint is missing", GapClosed(0.7, 0.8, math.NaN()), math.NaN())
}

func TestMatrixJSON(t *testing.T) {
	r := Matrix{{0.5, math.NaN()}, {-1.25, 0}}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != "[[0.5,null],[-1.25,0]]" {
		t.Errorf("wrote %s", data)
	}
	var back Matrix
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back[0][0] != 0.5 || !math.IsNaN(back[0][1]) || back[1][0] != -1.25 || back[1][1] != 0 {
		t.Errorf("read %v", back)
	}
}
