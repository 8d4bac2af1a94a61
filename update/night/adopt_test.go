package night

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/models/checkpoint"
	"nightshift/onnx/ort"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/work"
)

// install makes an adapter of nighttest.Model the champion.
func (s *shop) install(a *adapter.Adapter) {
	s.Helper()
	config, weights, err := a.Files()
	if err != nil {
		s.Fatal(err)
	}
	ref, err := s.Registry.Put(s.Context(), registry.Default, registry.Version{Config: config, Weights: weights})
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.Registry.Activate(s.Context(), registry.Default, registry.Activation{Digest: ref.Digest, Previous: registry.Latest, Actor: "ann", Reason: "imported"}); err != nil {
		s.Fatal(err)
	}
}

// TestCandidateTakesTheChampionsShape: settings that ask for another shape do not make every night fail.
func TestCandidateTakesTheChampionsShape(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	s.install(nighttest.Adapter(t, adapter.Config{Rank: 4, Alpha: 12, RSLoRA: true, Modules: []string{"attn.c_proj", "mlp.c_fc"}, Layers: []int{0}}))
	before := slices.Clone(s.config.Train.Modules)
	ns := s.nights()
	n := s.run(ns, Request{}, nightrecord.Published)
	made, err := adapter.Read(filepath.Join(ns.night(Request{Night: n.ID}).dir, work.CandidateDir))
	if err != nil {
		t.Fatal(err)
	}
	if c := made.Config; c.Rank != 4 || c.Alpha != 12 || !c.RSLoRA || strings.Join(c.Modules, " ") != "attn.c_proj mlp.c_fc" {
		t.Errorf("the candidate is %+v", c)
	}
	said := 0
	for _, l := range n.Log {
		if strings.Contains(l.Message, "takes over the champion's shape, rank 4 and scale 6 in attn.c_proj, mlp.c_fc") &&
			strings.Contains(l.Message, "rank 8 and scale 2 in mlp.c_fc, mlp.c_proj, attn.c_attn") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("the log says it %d times: %+v", said, n.Log)
	}
	var r reproduce
	if found, err := ns.history.Read(n.ID, history.ReproduceFile, &r); err != nil || !found || r.Train.Rank != 4 {
		t.Errorf("reproduce %+v, %v", r, err)
	}
	if replayed, err := ns.Replay(t.Context(), n.ID, nil); err != nil || !replayed.Same {
		t.Errorf("replay %+v, %v", replayed, err)
	}
	if ns.cfg.Train.Rank != 8 || !slices.Equal(ns.cfg.Train.Modules, before) {
		t.Errorf("the settings changed: %+v", ns.cfg.Train)
	}
}

func TestAdoptedShape(t *testing.T) {
	all := []string{"mlp.c_fc", "mlp.c_proj"}
	same := adapter.Config{Rank: 8, Alpha: 16, Modules: []string{"attn.c_attn", "mlp.c_fc", "mlp.c_proj"}}
	for _, c := range []struct {
		name    string
		a       adapter.Config
		adopted bool
	}{
		{"the settings'", same, false},
		{"rank", adapter.Config{Rank: 4, Alpha: 8, Modules: same.Modules}, true},
		{"scale", adapter.Config{Rank: 8, Alpha: 8, Modules: same.Modules}, true},
		{"modules", adapter.Config{Rank: 8, Alpha: 16, Modules: all}, true},
		{"layers", adapter.Config{Rank: 8, Alpha: 16, Modules: same.Modules, Layers: []int{0}}, true},
	} {
		s := newShop(t, "model")
		s.install(nighttest.Adapter(t, c.a))
		n := s.nights().night(Request{Track: registry.Default})
		n.frozen.Champion = s.Champion()
		if err := n.adopt(); err != nil {
			t.Fatal(err)
		}
		if got := len(n.log.night.Log) == 1; got != c.adopted || !sameShape(n.train, c.a) {
			t.Errorf("%s: adopted %v, %+v", c.name, got, n.train)
		}
	}
}

// deeper is nighttest.Model with two layers.
func deeper(t *testing.T) string {
	t.Helper()
	dir := nighttest.Model(t)
	c, err := checkpoint.Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.Shape()
	cfg.Layers = 2
	weights := checkpoint.Random(cfg, 7)
	for _, name := range []string{"wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.0.mlp.c_fc.weight", "h.1.attn.c_attn.weight", "h.1.mlp.c_fc.weight"} {
		for i := range weights[name] {
			weights[name][i] *= 12
		}
	}
	if err := checkpoint.Write(dir, cfg, weights); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestChosenLinears: the first night chooses its linears, which differ from layer to layer, and says so; the next one takes them over.
func TestChosenLinears(t *testing.T) {
	ort.ForTest(t)
	anotherNight(t)
	s := newShop(t, deeper(t))
	s.Correct(0, 12)
	s.config.Train.Modules, s.config.Train.ModuleBudget = []string{work.Auto}, 8*(2*(64+32)+32+32)
	ns := s.nights()
	made := func(n nightrecord.Night) *adapter.Adapter {
		a, err := adapter.Read(filepath.Join(ns.night(Request{Night: n.ID}).dir, work.CandidateDir))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := s.run(ns, Request{}, nightrecord.Published)
	chosen := made(first)
	if chosen.Regular() {
		t.Fatalf("the choice %v does not differ between layers: it tests nothing", chosen.Targets())
	}
	var shown strings.Builder
	if err := first.Table(&shown, nil); err != nil || len(first.Linears) != 8 || strings.Count(shown.String(), " % *") != len(chosen.Factors) {
		t.Errorf("of %d linears the table says (%v):\n%s", len(first.Linears), err, shown.String())
	}
	if replayed, err := ns.Replay(t.Context(), first.ID, nil); err != nil || !replayed.Same {
		t.Errorf("replay %+v, %v", replayed, err)
	}
	s.Now = s.Now.Add(24 * time.Hour)
	s.Teach(20, 34, 0, "fifty")
	second, err := s.begin(t.Context(), ns, Request{DryRun: true})
	if err != nil || second.Verdict == nil || second.Linears != nil {
		t.Fatalf("the second night %+v, %v", second, err)
	}
	if got := made(second); !slices.Equal(got.Targets(), chosen.Targets()) {
		t.Errorf("the second night adapts %v, its champion %v", got.Targets(), chosen.Targets())
	}
}
