package continual

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"nightshift/internal/atomicfile"
	"nightshift/lab/pretrain"
	"nightshift/models/checkpoint"
	"nightshift/models/demo"
	"nightshift/models/tokenizer"
	"nightshift/update/train"
)

// Recipe makes the benchmark's model: the way the model that ships is made, smaller, from the shop's corpus and from facts
// of use Form. It has seen what questions and answers of every domain look like, and no fact that is measured.
type Recipe struct {
	pretrain.Options
	Share float64 // of the dialogues that are of the domains; the others are the shop's
}

// DefaultRecipe is the recipe of the model that is measured on.
func DefaultRecipe() Recipe {
	corpus := demo.DefaultCorpus()
	corpus.Dialogues, corpus.MultiTurnShare, corpus.NoteShare = 24000, 0, 0 // one question, one answer, as in the domains
	return Recipe{Share: 0.5, Options: pretrain.Options{
		Layers: 3, Heads: 4, Width: 128, Context: 128, Vocab: 1024, Corpus: corpus, Seed: 1,
		Train: train.Options{Rate: 3e-3, Floor: 0.05, Warmup: 0.05, Decay: 0.05, Clip: 1, Rows: 16, Columns: 96, Micro: 1, Steps: 1500, Seed: 1},
	}}
}

// Dialogues writes the corpus: the same recipe gives the same one.
func (r Recipe) Dialogues() []demo.Dialogue {
	all := demo.Corpus(r.Seed, r.Corpus)
	forms := all[:0:0]
	for _, d := range Domains() {
		for _, it := range d.Items(d.Facts(Form, r.Seed), Train, math.MaxInt, r.Seed) {
			forms = append(forms, it.dialogue())
		}
	}
	random := rand.New(rand.NewPCG(r.Seed, 0x666f726d)) //nolint:gosec // reproducible, not secret
	random.Shuffle(len(forms), func(i, j int) { forms[i], forms[j] = forms[j], forms[i] })
	n := min(len(all), int(math.Round(r.Share*float64(len(all)))))
	for i := range n {
		all[i] = forms[i%len(forms)]
	}
	return all
}

// dialogue is an item as a conversation.
func (it Item) dialogue() demo.Dialogue {
	return demo.Dialogue{{Role: demo.User, Content: it.Question}, {Role: demo.Assistant, Content: it.Answer}}
}

// Digest names what the recipe makes: it changes with the shape, the settings of the training and every byte of the corpus.
func (r Recipe) Digest() string {
	t := r.Train
	sum := sha256.New()
	fmt.Fprintln(sum, r.Layers, r.Heads, r.Width, r.Context, r.Vocab, r.Seed, t.Rate, t.Floor, t.Warmup, t.Decay, t.Clip, t.Rows, t.Columns, t.Micro, t.Steps, t.Seed)
	for _, d := range r.Dialogues() {
		fmt.Fprintf(sum, "%q\n", d.Text())
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// Model is the benchmark's model, opened.
type Model struct {
	Digest     string // of the recipe
	Checkpoint *checkpoint.Checkpoint
	Base       train.Base
	Tokenizer  *tokenizer.Tokenizer
}

// OpenModel opens the model of a recipe, and makes it where cacheDir does not have it yet. A process that dies on the way
// leaves nothing that would be taken for a model.
func OpenModel(ctx context.Context, cacheDir string, r Recipe, report func(train.Step) error) (*Model, error) {
	digest := r.Digest()
	dir := filepath.Join(cacheDir, "continual", digest)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := r.make(ctx, dir, report); err != nil {
			return nil, fmt.Errorf("make the benchmark's model: %w", err)
		}
	}
	c, err := checkpoint.Open(dir, cacheDir)
	if err != nil {
		return nil, fmt.Errorf("open the benchmark's model: %w", err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		return nil, fmt.Errorf("open the benchmark's model: %w", err)
	}
	return &Model{Digest: digest, Checkpoint: c, Tokenizer: tok, Base: train.Base{Config: c.Shape(), Weights: c.Initializer, Dir: c.Dir()}}, nil
}

// make trains the model in a folder beside dir and moves it there.
func (r Recipe) make(ctx context.Context, dir string, report func(train.Step) error) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if report == nil {
		report = func(train.Step) error { return nil }
	}
	err := atomicfile.Dir(dir, 0o700, func(temp string) error { return pretrain.Make(ctx, temp, r.Dialogues(), r.Options, report) })
	if errors.Is(err, fs.ErrExist) { // another process was faster, with the same model
		return nil
	}
	return err
}

// Sequences tokenizes items as the model was trained: the answer and its end carry the loss.
func (m *Model) Sequences(items []Item) []train.Sequence {
	list := make([]demo.Dialogue, len(items))
	for i, it := range items {
		list[i] = it.dialogue()
	}
	return pretrain.Sequences(m.Tokenizer, list)
}
