package update

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift/internal/registry"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/tokenizer"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/update/work"
)

// childEnv makes the test binary do a night's work, as the program would.
const childEnv = "NIGHTSHIFT_TEST_NIGHT_WORK"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "hang": // a child that never ends
		fmt.Println(`{"stage":"train","done":1,"total":2,"values":{"loss":1}}`)
		select {}
	}
	ctx := context.Background()
	_, err := ort.Open(ctx, ort.FindOptions{})
	if err == nil {
		err = work.Run(ctx, os.Args[len(os.Args)-1], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// goods and prices are the facts of the tests' shop.
var goods = []struct{ name, price string }{{"tent", "forty"}, {"stove", "ninety"}, {"rope", "seven"}, {"boots", "sixty"}, {"lamp", "twelve"}, {"map", "three"}}

// questions are ways to ask for a price.
var questions = []string{"what is a %s", "price of the %s", "how much for a %s"}

func question(form, good int) string {
	return fmt.Sprintf(questions[form%len(questions)], goods[good].name)
}
func answer(good int) string { return "it costs " + goods[good].price }

// raw is a raw completion's prompt.
func raw(text string) []replaystore.Message {
	return []replaystore.Message{{Role: replaystore.RolePrompt, Content: text}}
}

// tinyModel writes a random checkpoint of one layer with its vocabulary, starter memory and anchors: things that the shop
// does not sell.
func tinyModel(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var corpus []string
	for g := range goods {
		for f := range questions {
			corpus = append(corpus, question(f, g)+" "+answer(g))
		}
	}
	others := []string{"kite", "boat", "drum", "sled", "vase", "clock"}
	for _, o := range others {
		corpus = append(corpus, "do you sell a "+o+" we do not sell that")
	}
	vocabulary, err := tokenizer.Train(corpus, 290, []string{"<|endoftext|>"})
	if err != nil {
		t.Fatal(err)
	}
	if err := vocabulary.Write(dir); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	eos := int(tok.EOS())
	cfg := arch.GPT2(arch.Shape{Layers: 1, Heads: 2, Width: 32, Context: 64, Vocab: tok.Size(), Inner: 64, Activation: "gelu_new", Epsilon: 1e-5,
		ScaleAttn: true, TiedHead: true, EOS: eos, BOS: eos})
	weights := checkpoint.Random(cfg, 7)
	for _, name := range []string{"wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.0.mlp.c_fc.weight"} { // as if it had been trained
		for i := range weights[name] {
			weights[name][i] *= 12
		}
	}
	if err := checkpoint.Write(dir, cfg, weights); err != nil {
		t.Fatal(err)
	}
	var starter, anchors strings.Builder
	for i, o := range others {
		line, err := json.Marshal(map[string]any{"messages": raw("do you sell a " + o), "completion": "we do not sell that"})
		if err != nil {
			t.Fatal(err)
		}
		b := &starter
		if i%2 == 0 {
			b = &anchors
		}
		b.Write(append(line, '\n'))
	}
	for name, text := range map[string]string{starterFile: starter.String(), anchorFile: anchors.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shop is an updater on a tiny model with a store and a registry of its own.
type shop struct {
	*testing.T
	store    *localstore.Store
	registry *registry.Registry
	config   Config
	deps     Deps
	now      time.Time
	said     int
}

func newShop(t *testing.T, model string) *shop {
	t.Helper()
	s := &shop{T: t, now: time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)}
	var err error
	if s.store, err = localstore.Open(localstore.Config{Dir: filepath.Join(t.TempDir(), "store"), Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	if s.registry, err = registry.Open(filepath.Join(t.TempDir(), "registry"), nil); err != nil {
		t.Fatal(err)
	}
	s.config = Config{ModelDir: model, CacheDir: t.TempDir(), Shape: arch.GPT2(arch.Shape{Layers: 1, Context: 64}), Settings: Defaults(), sizes: sizes{answers: 4, selfTests: 2}}
	set := &s.config.Settings
	set.Schedule, set.Threads, set.Nice, set.Governor.Target = "", 1, 0, 0
	set.Evidence.HeldOut, set.Evidence.MinExamples, set.Evidence.PerSubject, set.Train.Seed = 0.3, 10, 50, 3
	set.Train.LearningRate, set.Train.Epochs, set.Train.BatchTokens, set.Train.KLShare, set.Train.Modules = 2e-2, 30, 256, 0.1, []string{"mlp.c_fc", "mlp.c_proj", "attn.c_attn"}
	set.Train.RehearsalRatio, set.Train.Learned, set.Train.MaxTime = 1, 0, 0 // nights of a known length
	set.Gate.Length = 10                                                     // the base model's answers never end
	set.Gate.Resamples, set.Gate.Drift = 400, 3                              // a random model says something else everywhere once it has learned anything
	s.deps = Deps{Store: s.store, Registry: s.registry, Command: []string{os.Args[0]}, Env: []string{childEnv + "=1"},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.now }}
	writeHeldOutKey(t, s.registry)
	return s
}

// track makes a track.
func (s *shop) track(name string) {
	s.Helper()
	if _, err := s.registry.CreateTrack(s.Context(), name, "ann", ""); err != nil {
		s.Fatal(err)
	}
}

// writeHeldOutKey fixes who is held out.
func writeHeldOutKey(t *testing.T, r *registry.Registry) {
	t.Helper()
	if _, err := replaystore.LoadSecret(filepath.Join(r.Dir(), HeldOutKeyFile), []byte(strings.Repeat("k", replaystore.SecretSize))); err != nil {
		t.Fatal(err)
	}
}

func (s *shop) updater() *Updater {
	s.Helper()
	u, err := New(s.config, s.deps)
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// correct has people correct answers: person p asks for every good in one of the ways.
func (s *shop) correct(people ...int) {
	s.Helper()
	for _, p := range people {
		for g := range goods {
			s.feedback(p, question(p+g, g), "no idea", answer(g))
		}
	}
}

// feedback stores one interaction and its correction, two hours old.
func (s *shop) feedback(person int, prompt, said, correction string) replaystore.Interaction {
	s.Helper()
	s.said++
	at := s.now.Add(-2*time.Hour + time.Duration(s.said)*time.Second)
	in := replaystore.Interaction{ID: replaystore.NewID(), Track: registry.Default, Time: at, Subject: fmt.Sprintf("person%02d", person), Messages: raw(prompt), Answer: said}
	fb := replaystore.Feedback{ID: fmt.Sprintf("f%d", s.said), Interaction: in.ID, Track: in.Track, Time: at, Subject: in.Subject, Correction: &correction}
	if err := s.store.Append(s.Context(), replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &fb}); err != nil {
		s.Fatal(err)
	}
	return in
}

// people numbers persons.
func people(from, to int) []int {
	var list []int
	for p := from; p < to; p++ {
		list = append(list, p)
	}
	return list
}

// testContext is the test's context, and how to end it early.
func testContext(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	return ctx, stop
}
