package retention

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
)

// history is a registry in which versions are made.
type history struct {
	*testing.T
	dir      string
	registry *registry.Registry
}

func newHistory(t *testing.T) *history {
	t.Helper()
	h := &history{T: t, dir: t.TempDir()}
	h.reopen()
	return h
}

// reopen is another process that looks at the registry.
func (h *history) reopen() {
	h.Helper()
	var err error
	if h.registry, err = registry.Open(h.dir, nil); err != nil {
		h.Fatal(err)
	}
}

// probes are probes of two tokens each with their champion's and candidate's scores per token.
func probes(scores ...[2]float64) (list []nightrecord.Probe) {
	for i, s := range scores {
		list = append(list, nightrecord.Probe{ID: fmt.Sprintf("p%d", i), Tokens: 2, Champion: 2 * s[0], Candidate: 2 * s[1]})
	}
	return list
}

// four are four probes of the same scores.
func four(champion, candidate float64) []nightrecord.Probe {
	s := [2]float64{champion, candidate}
	return probes(s, s, s, s)
}

// night has a night make a version from a parent, and activates it.
func (h *history) night(id string, parent registry.Ref, sets ...nightrecord.ProbeSet) registry.Ref {
	h.Helper()
	ctx := context.Background()
	ref, err := h.registry.Put(ctx, "default", registry.Version{Config: []byte("{}"), Weights: []byte(id), Manifest: registry.Manifest{Parent: parent.Digest, Night: id}})
	if err != nil {
		h.Fatal(err)
	}
	if err := h.registry.CreateNight(id); err != nil {
		h.Fatal(err)
	}
	data, err := nightrecord.Scores{Champion: parent.Digest, Candidate: ref.Digest, Bound: 0.1, Sets: sets}.Encode()
	if err != nil {
		h.Fatal(err)
	}
	if err := h.registry.WriteNightFile(id, nightrecord.ScoresFile, data); err != nil {
		h.Fatal(err)
	}
	if _, err := h.registry.Activate(ctx, "default", registry.Activation{Digest: ref.Digest, Previous: registry.Latest, Actor: registry.Updater, Night: id}); err != nil {
		h.Fatal(err)
	}
	return ref
}

func (h *history) read() Report {
	h.Helper()
	r, err := Read(h.registry, "default")
	if err != nil {
		h.Fatal(err)
	}
	return r
}

// alarmed are the sets that alarm.
func alarmed(r Report) (sets []string) {
	for _, a := range r.Alarms {
		sets = append(sets, a.Set)
	}
	return sets
}

func value(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}

func probed(name string, probes []nightrecord.Probe) nightrecord.ProbeSet {
	return nightrecord.ProbeSet{Name: name, Probes: probes}
}

// TestReport goes through three nights, the third of which forgets what the first learned, a hold, and a rollback.
func TestReport(t *testing.T) {
	h := newHistory(t)
	if r := h.read(); len(r.Sets) != 0 || len(r.Alarms) != 0 || r.Figures != nil {
		t.Errorf("before the first night: %+v", r)
	}
	one := h.night("n1", registry.Ref{}, probed(nightrecord.AnchorSet, four(-0.2, -0.25)), probed("", four(-3, -0.5)))
	two := h.night("n2", one, probed(nightrecord.AnchorSet, four(-0.25, -0.24)), probed("n1", four(-0.5, -0.55)), probed("", four(-2.5, -0.4)))
	if r := h.read(); len(r.Alarms) != 0 || value(r.Sets[1].Fall) > 0.0501 {
		t.Errorf("after the second night: alarms %v, sets %+v", r.Alarms, r.Sets)
	}
	h.night("n3", two, probed(nightrecord.AnchorSet, four(-0.24, -0.26)), probed("n1", four(-0.55, -0.9)), probed("n2", four(-0.4, -0.3)), probed("", four(-2, -0.1)))
	if _, err := h.registry.Hold(context.Background(), "default", "ann", ""); err != nil {
		t.Fatal(err)
	}
	h.reopen()
	r := h.read()
	want := Matrix{{-0.2, -3, math.NaN(), math.NaN()}, {-0.25, -0.5, -2.5, math.NaN()}, {-0.24, -0.55, -0.4, -2}, {-0.26, -0.9, -0.3, -0.1}}
	for i, row := range want {
		for j, x := range row {
			near(t, fmt.Sprintf("R[%d][%d]", i, j), r.R[i][j], x)
		}
	}
	if got := alarmed(r); !slices.Equal(got, []string{"n1"}) {
		t.Fatalf("alarms %v, want n1", got)
	}
	a := r.Alarms[0]
	near(t, "best", a.Best, -0.5)
	near(t, "now", a.Now, -0.9)
	if a.BestBy != "default@1" || a.Version != "default@3" || a.Activation != 3 || a.Probes != 4 || !strings.Contains(a.String(), "since activation 3 default@3") {
		t.Errorf("the alarm %+v: %s", a, a)
	}
	near(t, "BWT", value(r.Figures.BWT), ((-0.9+0.5)+(-0.3+0.4))/2)
	near(t, "ACC", value(r.Figures.ACC), (-0.9-0.3-0.1)/3)
	near(t, "forgetting", value(r.Figures.Forgetting), ((0.9-0.5)+(0.3-0.4))/2)
	var table bytes.Buffer
	if err := r.Table(&table); err != nil || !strings.Contains(table.String(), "ALARM  since activation 3") || !strings.Contains(table.String(), "default@2") {
		t.Errorf("table %v:\n%s", err, &table)
	}
	var back Report
	if data, err := json.Marshal(r); err != nil || json.Unmarshal(data, &back) != nil || len(back.R) != 4 || !math.IsNaN(back.R[0][2]) {
		t.Errorf("as JSON: %v, %+v", err, back)
	}

	// A rollback is one more activation, of a version whose scores are known; what was rolled back is no measure for it.
	if _, err := h.registry.Rollback(context.Background(), "default", "ann", "worse"); err != nil {
		t.Fatal(err)
	}
	r = h.read()
	if last := r.Rows[len(r.Rows)-1]; len(r.Rows) != 5 || last.Name != "default@2" || last.Activation != 5 {
		t.Errorf("rows after the rollback %+v", r.Rows)
	}
	near(t, "the first night's after the rollback", r.R[4][1], -0.55)
	if len(r.Sets) != 3 || len(r.Alarms) != 0 {
		t.Errorf("after the rollback: sets %+v, alarms %v", r.Sets, r.Alarms)
	}
}

// TestReportComparesWhatHolds: what was retired or forgotten does not count on either side, and too little alarms nobody.
func TestReportComparesWhatHolds(t *testing.T) {
	for _, c := range []struct {
		name  string
		later []nightrecord.Probe // of the first night's set, in the second night
		want  []string
	}{
		{"all hold", probes([2]float64{-1, -1}, [2]float64{-1, -1}, [2]float64{-1, -1}, [2]float64{-0.1, -2}), []string{"n1"}},
		{"what fell was retired", probes([2]float64{-1, -1}, [2]float64{-1, -1}, [2]float64{-1, -1}), nil},
		{"two are left", probes([2]float64{-1, -3}, [2]float64{-1, -3}), nil},
		{"none is left", nil, nil},
	} {
		h := newHistory(t)
		one := h.night("n1", registry.Ref{}, probed("", probes([2]float64{-3, -1}, [2]float64{-3, -1}, [2]float64{-3, -1}, [2]float64{-3, -0.1})))
		h.night("n2", one, probed("n1", c.later), probed("", four(-2, -1)))
		r := h.read()
		if got := alarmed(r); !slices.Equal(got, c.want) {
			t.Errorf("%s: alarms %v, want %v", c.name, r.Alarms, c.want)
		}
		if c.name == "what fell was retired" {
			near(t, "the matrix without it", r.R[1][0], -1)
		}
		if c.later == nil && len(r.Sets) != 1 {
			t.Errorf("a set of which nothing is left is a column: %+v", r.Sets)
		}
	}
}
