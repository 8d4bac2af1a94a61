package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/conversion"
	"nightshift/internal/engine"
	"nightshift/models/quantize"
)

// conversionFlags say how int8 and int4 weights are made.
type conversionFlags struct {
	text        string
	limit       float64
	force, json bool
	compact     bool
	alphas      []float64
}

func (f *conversionFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.text, "text", "", "text to calibrate and measure int8 and int4 weights with: plain, or .jsonl with {messages, completion} a line (default: what lies beside the model, else a page of English)")
	flags.Float64Var(&f.limit, "limit", 0, "nats per token of held-out text that int8 and int4 weights may lose (default 0.005 for int8, 0.03 for int4)")
	flags.BoolVar(&f.force, "force", false, "keep int8 and int4 weights whatever they lose")
	flags.BoolVar(&f.compact, "compact", false, "int4 weights without their int8 copies: half of the memory, and prompts and batches are slower")
	flags.Float64SliceVar(&f.alphas, "alpha", []float64{0.5, 0.35, 0.65, 0.8}, "strengths of smoothing to try, 0 to 1, beside none")
	flags.Lookup("alpha").DefValue = "0.5,0.35,0.65,0.8" // as one writes it
	flags.BoolVar(&f.json, "json", false, "the result of making int8 or int4 weights as one line of JSON")
}

// unused refuses flags that mean nothing for what is imported.
func (f *conversionFlags) unused(cmd *cobra.Command) error {
	for _, name := range []string{"text", "limit", "force", "compact", "alpha"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for making int8 or int4 weights: add --weights int8", name)
		}
	}
	return nil
}

// convert makes the weights that the configuration names, measures them, and says what was lost.
func (f *conversionFlags) convert(cmd *cobra.Command, m *engine.Model, dir, cache string, c app.Config) error {
	text, err := conversion.Read(m, dir, f.text)
	if err != nil {
		return err
	}
	opt := conversion.Options{Options: quantize.Defaults(c.Weights), CacheDir: cache, Threads: c.Threads, Limit: f.limit, Force: f.force, Progress: stagePrinter()}
	if !cmd.Flags().Changed("limit") {
		opt.Limit = conversion.Limits[c.Weights]
	}
	if cmd.Flags().Changed("alpha") {
		opt.Alphas = f.alphas
	}
	if opt.Compact = f.compact; f.compact && c.Weights != quantize.Int4 {
		return fmt.Errorf("--compact is for int4 weights, not for %s: add --weights int4", c.Weights)
	}
	r, err := conversion.Run(cmd.Context(), m, text, opt)
	if err != nil && !errors.Is(err, conversion.ErrLoss) {
		return err
	}
	if f.json {
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	} else {
		printConversion(r)
	}
	if err != nil {
		return fmt.Errorf("%w; give it more text like that which it will see (--text), allow more (--limit), or keep it all the same (--force)", err)
	}
	return nil
}

// printConversion prints the result for people.
func printConversion(r conversion.Report) {
	count := map[string]int{}
	for _, l := range r.Linears {
		count[l.Weights]++
	}
	var kinds []string
	for _, kind := range []string{quantize.Int4, quantize.Int8, quantize.Float32} {
		if count[kind] > 0 {
			kinds = append(kinds, strconv.Itoa(count[kind])+" in "+kind)
		}
	}
	fmt.Printf("calibrated with %d tokens of %s; measured with %d others\n", r.Calibrated, r.Text, r.Measured)
	fmt.Printf("linears: %s; %.1f MiB\n", strings.Join(kinds, ", "), float64(r.Bytes)/(1<<20))
	fmt.Printf("float32  %.4f nats per token, perplexity %.3f\n", r.Float32.Nats, r.Float32.Perplexity)
	fmt.Printf("%-7s  %.4f nats per token, perplexity %.3f\n", r.Format, r.Converted.Nats, r.Converted.Perplexity)
	fmt.Printf("change   %+.4f ± %.4f nats per token (limit %g)\n", r.Change, r.Uncertainty, r.Limit)
	if r.Kept {
		fmt.Println("it is in", r.Dir)
	}
}

// stagePrinter reports progress to standard error: where a stage begins and ends, and every ten seconds in between.
func stagePrinter() func(stage string, done, total int) {
	var current string
	var last time.Time
	return func(stage string, done, total int) {
		if stage == current && done < total && time.Since(last) < 10*time.Second {
			return
		}
		current, last = stage, time.Now()
		fmt.Fprintf(os.Stderr, "%s: %d of %d\n", stage, done, total)
	}
}
