package night

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/retention"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// probeFile writes the operator's probes: the price of some goods.
func (s *shop) probeFile(list ...int) string {
	s.Helper()
	var b bytes.Buffer
	for _, good := range list {
		line, err := json.Marshal(map[string]any{"messages": nighttest.Raw("tell me the price of the " + nighttest.Goods[good].Name), "completion": nighttest.Answer(good)})
		if err != nil {
			s.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	path := filepath.Join(s.TempDir(), "probes.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

// report is what the registry says of the track, read by another process.
func (s *shop) report() retention.Report {
	s.Helper()
	other, err := registry.Open(s.Registry.Dir(), nil)
	if err != nil {
		s.Fatal(err)
	}
	r, err := retention.Read(other, registry.Default)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// column is a set of a report.
func (s *shop) column(r retention.Report, name string) (retention.Set, int) {
	s.Helper()
	for j, set := range r.Sets {
		if set.Name == name {
			return set, j
		}
	}
	s.Fatalf("there is no set %s: %+v", name, r.Sets)
	return retention.Set{}, 0
}

// carriedProbes are those that a night scored for an earlier one.
func (s *shop) carriedProbes(ns *Nights, night, from string) (list []selection.Item) {
	s.Helper()
	items, err := ns.history.Items(night, work.ProbesFile)
	if err != nil {
		s.Fatal(err)
	}
	for _, it := range items {
		if it.Why == from {
			list = append(list, it)
		}
	}
	return list
}

// probed looks at the scores of two nights, the second of which changed the price of the first of the goods.
func (s *shop) probed(ns *Nights, first, second nightrecord.Night) {
	s.Helper()
	held := selection.Using(s.Selected(first.ID), selection.HeldOut)
	still := 0
	for _, it := range held {
		if it.Completion != nighttest.Answer(0) {
			still++
		}
	}
	carried := s.carriedProbes(ns, second.ID, first.ID)
	if len(carried) != min(still, probeShare) || still == len(held) {
		s.Errorf("%d probes of the first night are scored, %d of %d hold", len(carried), still, len(held))
	}
	for _, it := range append(carried, s.carriedProbes(ns, second.ID, nightrecord.FileSet)...) {
		if it.Completion == nighttest.Answer(0) {
			s.Errorf("the old price is asked for: %+v", it)
		}
		if it.Use != selection.Probe {
			s.Errorf("a probe is used as %s", it.Use)
		}
	}
	r := s.report()
	own, j := s.column(r, first.ID)
	file, _ := s.column(r, nightrecord.FileSet)
	if len(r.Rows) != 3 || own.Probes != len(carried) || file.Probes != 2 || own.Now == nil || own.Fall == nil || r.Bound != s.config.Forgetting {
		s.Fatalf("report %+v", r)
	}
	before, learned, now := r.R[0][j], r.R[1][j], r.R[2][j]
	if !(learned > before+1) || math.Abs(*own.Fall-(learned-now)) > 1e-9 || r.Figures == nil || r.Figures.BWT == nil || math.Abs(*r.Figures.BWT-(now-learned)) > 1e-9 {
		s.Errorf("the first night's questions score %g before it, %g after it, %g now; %+v", before, learned, now, r.Figures)
	}
	if len(r.Alarms) == 0 {
		s.Errorf("three rehearsed sentences hold little, and nothing alarms: %+v", r.Sets)
	}
	said := false
	for _, line := range second.Log {
		said = said || strings.HasPrefix(line.Message, "forgotten: ")
	}
	if !said {
		s.Error("the night's log does not say what was forgotten")
	}
}

// unprobed erases a person who was held out: none of that person's probes is left, nor their scores.
func (s *shop) unprobed(ns *Nights, first, second nightrecord.Night) {
	s.Helper()
	who := s.carriedProbes(ns, second.ID, first.ID)[0].Subject
	var theirs []string
	for _, it := range selection.Using(s.Selected(first.ID), selection.HeldOut) {
		if it.Subject == who {
			theirs = append(theirs, it.ID)
		}
	}
	before, _ := s.column(s.report(), first.ID)
	report, err := s.Store.Erase(s.Context(), who)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := history.Erase(s.Registry, report); err != nil {
		s.Fatal(err)
	}
	for _, night := range []string{first.ID, second.ID} {
		for _, name := range []string{work.ProbesFile, nightrecord.ScoresFile} {
			data, err := s.Registry.ReadNight(night, name)
			if err != nil {
				s.Fatal(err)
			}
			for _, id := range append(theirs, who) {
				if bytes.Contains(data, []byte(fmt.Sprintf("%q", id))) {
					s.Errorf("%s of night %s holds %s", name, night, id)
				}
			}
		}
	}
	left := 0
	for _, set := range s.report().Sets {
		if set.Name == first.ID {
			left = set.Probes
		}
	}
	if len(theirs) == 0 || left != before.Probes-len(theirs) {
		s.Errorf("%d probes of %d are left without %d", left, before.Probes, len(theirs))
	}
}

// TestSharedProbes: however many nights there were, probes stay few, and those of a night are among those that it had before.
func TestSharedProbes(t *testing.T) {
	var items []selection.Item
	before := map[string]bool{}
	for night := range 200 {
		for i := range 40 {
			items = append(items, selection.Item{Example: replaystore.Example{ID: fmt.Sprintf("%d-%d", night, i)}, Why: fmt.Sprint("n", night)})
		}
		kept := shared(append([]selection.Item{{Example: replaystore.Example{ID: "own"}, Why: nightrecord.FileSet}}, items...))
		if len(kept) > probeLimit+1 || kept[0].ID != "own" {
			t.Fatalf("after %d nights there are %d probes, the first is %s", night+1, len(kept), kept[0].ID)
		}
		now := map[string]bool{}
		for _, it := range kept {
			now[it.ID] = true
			if night > 0 && !before[it.ID] && it.Why != fmt.Sprint("n", night) {
				t.Fatalf("night %d: %s comes back", night, it.ID)
			}
		}
		before, items = now, kept[1:]
	}
}
