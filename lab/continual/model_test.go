package continual

import (
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"nightshift/models/demo"
	"nightshift/models/tokenizer"
	"nightshift/onnx/ort"
	"nightshift/update/train"
)

// tinyRecipe makes a model that knows next to nothing in a second.
func tinyRecipe() Recipe {
	r := DefaultRecipe()
	r.Layers, r.Heads, r.Width, r.Vocab, r.Corpus.Dialogues = 1, 2, 32, 420, 600
	r.Train.Steps, r.Train.Rows = 30, 4
	r.Threads = 1
	return r
}

// tiny is that model, made once.
var tiny = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "continual-test-") })

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := tiny(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func tinyModel(t *testing.T) *Model {
	t.Helper()
	ort.ForTest(t)
	dir, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	m, err := OpenModel(t.Context(), dir, tinyRecipe(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRecipeShowsNoFactThatIsMeasured: the corpus has every form of question of the split Train and no question or answer
// about a fact of another use, and no phrasing of another split.
func TestRecipeShowsNoFactThatIsMeasured(t *testing.T) {
	reserved := map[string]string{}
	for _, d := range Domains() {
		for _, use := range uses {
			for split := range splits {
				if use == Form && split == Train {
					continue
				}
				for _, it := range d.Items(d.Facts(use, 1), split, math.MaxInt, 1) {
					reserved[plain(it.Question)] = it.Fact.Key()
				}
			}
		}
	}
	forms := 0
	dialogues := DefaultRecipe().Dialogues()
	for _, d := range dialogues {
		for _, turn := range d {
			if key, taken := reserved[plain(turn.Content)]; taken && turn.Role == demo.User {
				t.Fatalf("the corpus asks %q, which is about %s", turn.Content, key)
			}
		}
	}
	own := map[string]bool{}
	for _, d := range Domains() {
		for _, it := range d.Items(d.Facts(Form, 1), Train, math.MaxInt, 1) {
			own[it.Question+"\x00"+it.Answer] = true
		}
	}
	for _, d := range dialogues {
		if len(d) == 2 && own[d[0].Content+"\x00"+d[1].Content] {
			forms++
		}
	}
	if share := float64(forms) / float64(len(dialogues)); math.Abs(share-DefaultRecipe().Share) > 0.01 {
		t.Errorf("%.1f %% of the corpus are of the domains, want %.0f %%", 100*share, 100*DefaultRecipe().Share)
	}
}

func TestRecipeDigest(t *testing.T) {
	digest := func(change func(*Recipe)) string {
		r := tinyRecipe()
		change(&r)
		return r.Digest()
	}
	same := digest(func(*Recipe) {})
	if same != digest(func(*Recipe) {}) {
		t.Error("one recipe has two digests")
	}
	for what, change := range map[string]func(*Recipe){
		"seed": func(r *Recipe) { r.Seed++ }, "share": func(r *Recipe) { r.Share = 0.4 }, "width": func(r *Recipe) { r.Width *= 2 },
		"steps": func(r *Recipe) { r.Train.Steps++ }, "corpus": func(r *Recipe) { r.Corpus.TypoShare = 0 },
	} {
		if digest(change) == same {
			t.Errorf("another %s has the same digest", what)
		}
	}
}

// TestOpenModelMakesOnce: the second time nothing is trained, and what a dead process left is not taken for a model.
func TestOpenModelMakesOnce(t *testing.T) {
	ort.ForTest(t)
	dir := t.TempDir()
	r := tinyRecipe()
	r.Train.Steps = 2
	if err := os.MkdirAll(filepath.Join(dir, "continual", ".tmp-dead-X"), 0o755); err != nil {
		t.Fatal(err)
	}
	steps := 0
	count := func(train.Step) error { steps++; return nil }
	a, err := OpenModel(t.Context(), dir, r, count)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenModel(t.Context(), dir, r, count)
	if err != nil {
		t.Fatal(err)
	}
	if steps != 2 || a.Digest != b.Digest {
		t.Errorf("%d steps were trained, want 2; digests %s and %s", steps, a.Digest, b.Digest)
	}
}

// TestSequencesFit: every question and answer has room in a row of the full benchmark.
func TestSequencesFit(t *testing.T) {
	var texts []string
	for _, d := range DefaultRecipe().Dialogues() {
		texts = append(texts, d[len(d)-2].Content, d[len(d)-1].Content)
	}
	v, err := tokenizer.Train(texts, DefaultRecipe().Vocab, demo.Specials())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := v.Write(dir); err != nil {
		t.Fatal(err)
	}
	m := &Model{}
	if m.Tokenizer, err = tokenizer.Load(dir); err != nil {
		t.Fatal(err)
	}
	longest, tokens, count := 0, 0, 0
	for _, d := range Domains() {
		for split := range splits {
			for _, q := range m.Sequences(d.Items(d.Facts(Final, 1), split, math.MaxInt, 1)) {
				longest, tokens, count = max(longest, len(q.Tokens)), tokens+len(q.Tokens), count+1
				if q.Losses() < 3 || q.Tokens[len(q.Tokens)-1] != m.Tokenizer.EOS() {
					t.Fatalf("%v carries %d losses", q.Tokens, q.Losses())
				}
			}
		}
	}
	if longest > DefaultBudget().Columns {
		t.Errorf("the longest sequence has %d tokens, a row %d", longest, DefaultBudget().Columns)
	}
	t.Logf("longest sequence: %d tokens, mean %.1f", longest, float64(tokens)/float64(count))
}
