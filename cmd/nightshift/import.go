package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/anchors"
	"nightshift/internal/app"
	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/models/checkpoint"
	"nightshift/models/quantize"
)

func importCommand(s *app.Flags) *cobra.Command {
	var track string
	var activate, ask bool
	var opt conversionFlags
	cmd := &cobra.Command{Use: "import [MODEL]", Short: "Check a model, a Hugging Face directory or a GGUF file, and make int8 or int4 weights of it, or take a PEFT adapter into a track",
		Long: "Check a model, without MODEL the configured one, and make int8 or int4 weights of it where --weights or the configuration\nasks for them: a directory in Hugging Face layout (GPT-2, Llama, Mistral, Qwen2, Qwen3) or a GGUF file (all but GPT-2). Or\ntake a PEFT adapter into a track: a directory that holds one.\n\n" +
			"A model that brings no anchors.jsonl answers some hundred questions that ship with the program. Its answers become its anchors, which\nmeasure what nights forget, and its starter memory, which nights rehearse: see nightshift anchors."}
	cmd.Flags().StringVar(&track, "track", registry.Default, "track of an adapter")
	cmd.Flags().BoolVar(&activate, "activate", false, "make an adapter the champion of its track")
	cmd.Flags().BoolVar(&ask, "anchors", true, "have a model without anchors answer questions, which nights measure and rehearse; --anchors=false leaves it to the first night")
	opt.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := ""
		if len(args) > 0 {
			dir = args[0]
			info, err := os.Stat(dir)
			if err != nil || !info.IsDir() && filepath.Ext(dir) != ".gguf" {
				return fmt.Errorf("import %s: there is no directory and no GGUF file of that name; import takes a model or a PEFT adapter", dir)
			}
			found := ""
			if info.IsDir() {
				found, err = adapterIn(dir)
			}
			if err != nil {
				return err
			}
			if found != "" {
				if err := opt.unused(cmd); err != nil {
					return err
				}
				return importAdapter(s, cmd, found, track, activate)
			}
		}
		return importModel(s, cmd, dir, ask, opt)
	}
	return cmd
}

// adapterIn is the directory of the adapter that dir holds, in a folder of its own if need be; "" where it holds a model.
func adapterIn(dir string) (string, error) {
	found, err := adapter.Find(dir)
	if err != nil || len(found) > 0 && found[0] == dir {
		return dir, err
	}
	_, err = os.Stat(filepath.Join(dir, "config.json"))
	switch {
	case err == nil:
		return "", nil
	case len(found) == 0:
		return "", fmt.Errorf("%s holds neither a model (config.json) nor an adapter (%s)", dir, adapter.ConfigFile)
	case len(found) > 1:
		return "", fmt.Errorf("%s holds %d adapters; import one of them: %s", dir, len(found), strings.Join(found, ", "))
	}
	return found[0], nil
}

// importModel checks a checkpoint, that of the configuration where dir is empty, and makes what serving needs of it: half-precision weights are converted into the
// cache, float32 ones are served as they lie, and int8 and int4 weights are made where the configuration asks for them.
func importModel(s *app.Flags, cmd *cobra.Command, dir string, ask bool, opt conversionFlags) error {
	c, err := s.Load(cmd)
	if err != nil {
		return err
	}
	if dir != "" {
		c.Model = dir
	}
	named := c.Model
	dir, cache, err := app.ModelDir(c)
	if err != nil {
		return err
	}
	if named == "" {
		named = dir
	}
	m, err := engine.LoadModel(dir, cache)
	if err != nil {
		return err
	}
	out := os.Stdout
	if opt.json {
		out = os.Stderr
	}
	g := m.Config
	fmt.Fprintf(out, "%s is a %s model: %d layers, %d heads, width %d, vocabulary %d, context %d\n%s\n",
		named, g.Title(), g.Layers, g.Heads, g.Width, g.Vocab, g.Context, m.Checkpoint.Digest())
	for _, note := range append(m.Notes(), m.Doubts()...) {
		fmt.Fprintln(out, note)
	}
	if m.Template == nil {
		fmt.Fprintln(out, "it has no chat template: /v1/completions works; add chat_template.jinja for /v1/chat/completions")
	}
	if err := printLearning(out, dir, g.Width); err != nil {
		return err
	}
	serve := "serve it: nightshift run"
	if c.Model != "" {
		serve += " --model " + c.Model
	}
	if c.Weights != quantize.Float32 {
		if err := app.OpenRuntime(cmd.Context(), c); err != nil {
			return err
		}
		if err := opt.convert(cmd, m, dir, cache, c); err != nil {
			return err
		}
		serve += " --weights " + c.Weights
	} else if err := opt.unused(cmd); err != nil {
		return err
	}
	if ask {
		if err := importAnchors(cmd, out, c, dir, cache, m); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, serve)
	return nil
}

// printLearning says how nights will learn, and writes the learning profile of a model that has none where that can be written.
func printLearning(out io.Writer, dir string, width int) error {
	l, err := checkpoint.LoadLearning(dir)
	if err == nil {
		fmt.Fprintf(out, "nights learn at a rate of %g, which its %s says\n", l.LearningRate, checkpoint.LearningFile)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l = checkpoint.LearningByWidth(width)
	fmt.Fprintf(out, "nights learn at a rate of %g, by the rule for its width", l.LearningRate)
	if err := l.Write(dir); err != nil { // a directory that others may not write to: the rule holds without the file
		fmt.Fprintf(out, "; it could not be written down: %v\n", err)
		return nil
	}
	fmt.Fprintf(out, "; change it in %s\n", filepath.Join(dir, checkpoint.LearningFile))
	return nil
}

// importAnchors has a model answer questions where it has no anchors, or has answered others or as another model. What it cannot answer stops
// no import: it can be served all the same.
func importAnchors(cmd *cobra.Command, out io.Writer, c app.Config, dir, cache string, m *engine.Model) error {
	place := c.Anchors(dir, m)
	state, _, err := place.Look()
	if err != nil {
		return err
	}
	if state == anchors.Theirs || state == anchors.Current {
		fmt.Fprintf(out, "nights measure what they forget with %s\n", place.File(anchors.AnchorsFile))
		return nil
	}
	if err := m.Serve(c.Weights, cache); err != nil {
		return err
	}
	var few *anchors.TooFewError
	record, err := makeAnchors(cmd, c, place, m)
	if errors.As(err, &few) {
		fmt.Fprintf(out, "nights cannot learn: %v\n", few)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "made %s, in %s\n", record.Sentence(), place.Where())
	return nil
}

// importAdapter stores a PEFT adapter as a version of a track.
func importAdapter(s *app.Flags, cmd *cobra.Command, dir, track string, activate bool) error {
	c, err := s.Load(cmd)
	if err != nil {
		return err
	}
	if err := routed(c, track); err != nil {
		return fmt.Errorf("import %s: %w", dir, err)
	}
	r, m, maxRank, err := openVerified(s, cmd)
	if err != nil {
		return err
	}
	a, err := adapter.Read(dir)
	if err != nil {
		return err
	}
	if rank := a.Config.Rank; rank > maxRank {
		return fmt.Errorf("import %s: its largest rank is %d and engine.max_rank is %d, so no server could load it; raise engine.max_rank for the servers, too, or train it with a smaller rank", dir, rank, maxRank)
	}
	config, weights, err := a.Files()
	if err != nil {
		return err
	}
	manifest := registry.Manifest{BaseDigest: m.Checkpoint.Digest(), TokenizerHash: m.Tokenizer.Digest()}
	if m.Template != nil {
		manifest.TemplateHash = m.Template.Digest()
	}
	ref, err := r.Put(cmd.Context(), track, registry.Version{Config: config, Weights: weights, Manifest: manifest})
	if err != nil {
		return err
	}
	fmt.Printf("%s is %s\n", dir, ref)
	if !activate {
		fmt.Printf("ask it as model %s, or make it the champion: nightshift adapter activate %s\n", ref, ref)
		return nil
	}
	return printActivation(r.Activate(cmd.Context(), track, registry.Activation{Digest: ref.Digest, Number: ref.Number, Previous: registry.Latest, Actor: actor(), Reason: "imported"}))
}
