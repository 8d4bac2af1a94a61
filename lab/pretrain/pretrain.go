// Package pretrain makes the model that ships: it writes the demo shop's corpus, trains a vocabulary and every weight
// of a small GPT-2 on it through the project's own training graph, and measures what the model knows.
//
// The same options give the same files, byte for byte, on the same library build and thread count. It is for making
// that one model; nights train adapters, in package night.
package pretrain

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/demo"
	"nightshift/models/tokenizer"
	"nightshift/onnx"
	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// Options choose the size of the model and of its training.
type Options struct {
	Layers, Heads, Width, Context, Vocab int
	Corpus                               demo.CorpusOptions
	Seed                                 uint64
	Train                                train.Options
	Threads                              int
}

// Defaults are the options of the model that ships.
func Defaults() Options {
	corpus := demo.DefaultCorpus()
	corpus.Dialogues = 40000
	return Options{
		Layers: 4, Heads: 6, Width: 192, Context: 256, Vocab: 2048, Corpus: corpus, Seed: 1,
		Train: train.Options{Rate: 2e-3, Floor: 0.05, Warmup: 0.05, Decay: 0.05, Clip: 1, Rows: 16, Columns: 128, Micro: 1, Steps: 2400, Seed: 1},
	}
}

// Build writes the directory of the model that ships: what Make writes of the shop's corpus, the starters and the learning profile.
func Build(ctx context.Context, dir string, opt Options, report func(train.Step) error) error {
	if err := Make(ctx, dir, demo.Corpus(opt.Seed, opt.Corpus), opt, report); err != nil {
		return err
	}
	if err := WriteStarters(dir, opt.Seed); err != nil {
		return err
	}
	return checkpoint.LearningByWidth(opt.Width).Write(dir)
}

// Make writes a model directory of any dialogues: vocabulary, configuration, weights, chat template and generation settings.
func Make(ctx context.Context, dir string, dialogues []demo.Dialogue, opt Options, report func(train.Step) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tok, err := vocabulary(dir, dialogues, opt.Vocab)
	if err != nil {
		return err
	}
	eos := int(tok.EOS())
	cfg := arch.GPT2(arch.Shape{Layers: opt.Layers, Heads: opt.Heads, Width: opt.Width, Context: opt.Context, Vocab: tok.Size(), Inner: 4 * opt.Width,
		Activation: "gelu_new", Epsilon: 1e-5, ScaleAttn: true, TiedHead: true, EOS: eos, BOS: eos})
	weights, err := fit(ctx, cfg, Sequences(tok, dialogues), opt, report)
	if err != nil {
		return err
	}
	if err := checkpoint.Write(dir, cfg, weights); err != nil {
		return err
	}
	for name, text := range map[string]string{"chat_template.jinja": demo.ChatTemplate, "generation_config.json": demo.GenerationConfig(eos)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// vocabulary trains and writes the tokenizer.
func vocabulary(dir string, dialogues []demo.Dialogue, size int) (*tokenizer.Tokenizer, error) {
	var texts []string
	for _, d := range dialogues {
		for _, t := range d {
			texts = append(texts, t.Content)
		}
	}
	v, err := tokenizer.Train(texts, size, demo.Specials())
	if err != nil {
		return nil, err
	}
	if err := v.Write(dir); err != nil {
		return nil, err
	}
	return tokenizer.Load(dir)
}

// Sequences tokenizes dialogues as demo.ChatTemplate renders them; the last answer and its end-of-text token carry the loss.
func Sequences(tok *tokenizer.Tokenizer, dialogues []demo.Dialogue) []train.Sequence {
	list := make([]train.Sequence, len(dialogues))
	for i, d := range dialogues {
		s := train.Sequence{ID: fmt.Sprint(i)}
		for _, turn := range d {
			s.Tokens = tok.EncodeSpecial(s.Tokens, "<|"+turn.Role+"|>")
			s.Prompt = len(s.Tokens)
			s.Tokens = tok.Encode(s.Tokens, turn.Content)
			s.Tokens = append(s.Tokens, tok.EOS())
		}
		list[i] = s
	}
	return list
}

// fit trains every weight from a random start.
func fit(ctx context.Context, cfg arch.Shape, list []train.Sequence, opt Options, report func(train.Step) error) (map[string][]float32, error) {
	base := train.Base{Config: cfg, Weights: func(name string) (onnx.Tensor, error) {
		return onnx.Tensor{}, fmt.Errorf("weight %s is trained, not read", name)
	}}
	s, err := train.NewSession(base, graphs.Trainable{Full: true}, opt.Threads)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	start := checkpoint.Random(cfg, opt.Seed)
	params, at := s.Parameters(), 0
	views := map[string][]float32{}
	for _, p := range s.Shapes() {
		at += copy(params[at:], start[p.Name])
		views[p.Name] = params[at-len(start[p.Name]) : at]
	}
	if err := train.Fit(ctx, s, train.Shuffled(list), opt.Train, report); err != nil {
		return nil, err
	}
	weights := map[string][]float32{}
	for name, v := range views {
		weights[name] = append([]float32(nil), v...)
	}
	return weights, nil
}
