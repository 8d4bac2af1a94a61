package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/models/quantize"
)

func importCommand(s *settings) *cobra.Command {
	var track string
	var activate bool
	var opt conversionFlags
	cmd := &cobra.Command{Use: "import [DIR]", Short: "Check a Hugging Face GPT-2 directory and make int8 or int4 weights of it, or take a PEFT adapter into a track",
		Long: "Check a Hugging Face GPT-2 directory, without DIR the configured model, and make int8 or int4 weights of it\nwhere --weights or the configuration asks for them; or take a PEFT adapter into a track."}
	cmd.Flags().StringVar(&track, "track", registry.Default, "track of an adapter")
	cmd.Flags().BoolVar(&activate, "activate", false, "make an adapter the champion of its track")
	opt.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := ""
		if len(args) > 0 {
			dir = args[0]
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return fmt.Errorf("import %s: there is no directory of that name; import takes one with a GPT-2 model or a PEFT adapter", dir)
			}
			if _, err := os.Stat(filepath.Join(dir, registry.ConfigFile)); err == nil {
				if err := opt.unused(cmd); err != nil {
					return err
				}
				return s.importAdapter(cmd, dir, track, activate)
			}
		}
		return s.importModel(cmd, dir, opt)
	}
	return cmd
}

// importModel checks a checkpoint, that of the configuration where dir is empty, and makes what serving needs of it: half-precision weights are converted into the
// cache, float32 ones are served as they lie, and int8 and int4 weights are made where the configuration asks for them.
func (s *settings) importModel(cmd *cobra.Command, dir string, opt conversionFlags) error {
	c, err := s.load(cmd)
	if err != nil {
		return err
	}
	if dir != "" {
		c.Model = dir
	}
	shipped := c.Model == ""
	dir, cache, err := modelDir(c)
	if err != nil {
		return err
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
	fmt.Fprintf(out, "%s is a GPT-2 model: %d layers, %d heads, width %d, vocabulary %d, context %d\n%s\n",
		dir, g.Layers, g.Heads, g.Width, g.Vocab, g.Context, m.Checkpoint.Digest())
	if m.Template == nil {
		fmt.Fprintln(out, "it has no chat template: /v1/completions works; add chat_template.jinja for /v1/chat/completions")
	}
	serve := "serve it: nightshift run"
	if !shipped {
		serve += " --model " + dir
	}
	if c.Weights != quantize.Float32 {
		if err := openRuntime(cmd.Context(), c); err != nil {
			return err
		}
		if err := opt.convert(cmd, m, dir, cache, c); err != nil {
			return err
		}
		serve += " --weights " + c.Weights
	} else if err := opt.unused(cmd); err != nil {
		return err
	}
	fmt.Fprintln(out, serve)
	return nil
}

// importAdapter stores a PEFT adapter as a version of a track.
func (s *settings) importAdapter(cmd *cobra.Command, dir, track string, activate bool) error {
	c, err := s.load(cmd)
	if err != nil {
		return err
	}
	if err := routed(c, track); err != nil {
		return fmt.Errorf("import %s: %w", dir, err)
	}
	r, m, _, err := s.openVerified(cmd)
	if err != nil {
		return err
	}
	a, err := adapter.Read(dir)
	if err != nil {
		return err
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
