package continual

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

// TestWarmStart measures small warm starts: the same figures however many workers there are, and again from the file.
func TestWarmStart(t *testing.T) {
	opt := DefaultWarmStart()
	opt.Model, opt.Budget = tinyModel(t), small(t).Budget
	opt.Sizes, opt.Tenants, opt.Rounds, opt.Each, opt.Steps, opt.Seeds = Sizes{Train: 1, Exam: 1}, 1, 2, 2, []int{0, 1, 2}, 2
	opt.N = 2
	dir := t.TempDir()
	records, err := opt.Run(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 4 || len(records[0].Curves) != 5 || records[0].Apart != "" || len(records[3].Curves) != 1 || records[3].Apart != Domains()[2].Name || records[3].Curves[0].Domain != records[3].Apart {
		t.Fatalf("records %+v", records)
	}
	if !reflect.DeepEqual(records[0].Curves[0].Zero, records[2].Curves[0].Zero) {
		t.Errorf("of the same track and seed from zero %v and %v", records[0].Curves[0].Zero, records[2].Curves[0].Zero)
	}
	opt.Workers = 1
	opt.Report = func(_, _ int, r WarmStartRecord) {
		if len(r.Curves) == 0 {
			t.Errorf("told of %+v", r)
		}
	}
	kept, err := opt.Run(t.Context(), dir)
	if err != nil || !reflect.DeepEqual(records, kept) {
		t.Errorf("from the file %+v, %v", kept, err)
	}
	opt.Seeds = 1
	again, err := opt.Run(t.Context(), t.TempDir())
	if err != nil || !reflect.DeepEqual([]WarmStartRecord{records[0], records[2]}, again) {
		t.Errorf("measured again %+v, %v", again, err)
	}
	opt.Steps = []int{2, 1}
	if _, err := opt.Run(t.Context(), t.TempDir()); err == nil {
		t.Error("steps that fall were accepted")
	}
}

// TestWarmStartSummary: what is reached is read off the mean curves at the steps that were measured.
func TestWarmStartSummary(t *testing.T) {
	opt := WarmStart{Model: &Model{Digest: "m"}, Steps: []int{0, 10, 20, 40}, N: 40, Seeds: 2}
	var records []WarmStartRecord
	for seed := range 2 {
		records = append(records, WarmStartRecord{Seed: seed, Curves: []WarmStartCurve{
			{Domain: "a", Zero: []float64{0, 0.1, 0.4, 0.8}, WarmStart: []float64{0, 0.4, 0.72, 0.9}},
			{Domain: "b", Zero: []float64{0, 0.1, 0.4, 0.8}, WarmStart: []float64{0, 0.6, 0.9, 0.7}},
		}}, WarmStartRecord{Seed: seed, Apart: "a", Curves: []WarmStartCurve{{Domain: "a", Zero: []float64{0, 0.2, 0.6, 0.8}, WarmStart: []float64{0, 0.1, 0.2, 0.3}}}})
	}
	s := opt.SummarizeWarmStart(records, false)
	if r := s.Reached; len(r) != 3 || r[0].Ratio.Value != 1 || r[1].Ratio.Value != 0.5 || r[2].Ratio.Value != 0.5 || r[2].Ratio.Low != 0.5 || r[2].Ratio.High != 1 || math.Abs(s.WarmStart[1].Value-0.5) > 1e-9 {
		t.Errorf("summary %+v", s)
	}
	var table bytes.Buffer
	if err := opt.SummarizeWarmStart(records, true).Table(&table, opt.Steps); err != nil || strings.Count(table.String(), "not reached") != 2 || strings.Count(table.String(), "\n") != 5 {
		t.Errorf("table, %v:\n%s", err, table.String())
	}
	data, err := json.Marshal(opt.Results(records))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.HasSuffix(text, `"n":40,"steps_ratio":0.5,"steps_ratio_low":0.5,"steps_ratio_high":1}`) || !strings.Contains(text, `"domain_apart"`) {
		t.Errorf("results %s", text)
	}
}
