package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/walkthrough"
)

func demoCommand(s *app.Flags) *cobra.Command {
	opt := walkthrough.Options{Out: os.Stdout}
	var asJSON, keep bool
	cmd := &cobra.Command{Use: "demo", Short: "See the whole loop on the model that ships: ask, correct, learn, swap, ask again, roll back"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as one last line of JSON")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the directory with configuration, data and the server's log")
	cmd.Flags().IntVar(&opt.Streams, "streams", 4, "streams that keep running while versions are swapped")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := s.Load(cmd)
		if err != nil {
			return err
		}
		if err := app.OpenRuntime(cmd.Context(), c); err != nil { // fetched before the clock starts
			return err
		}
		return showDemo(cmd.Context(), opt, asJSON, keep)
	}
	return cmd
}

// showDemo runs the walkthrough in a directory of its own, and fails when it shows less than it should.
func showDemo(ctx context.Context, opt walkthrough.Options, asJSON, keep bool) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	opt.Command = []string{self}
	if opt.Dir, err = os.MkdirTemp("", "nightshift-demo-"); err != nil {
		return fmt.Errorf("make the demo's directory: %w", err)
	}
	if asJSON {
		opt.Out = os.Stderr
	}
	fmt.Fprintf(opt.Out, "configuration, data and log are in %s\n", opt.Dir)
	result, err := walkthrough.Run(ctx, opt)
	if err != nil {
		return err
	}
	fmt.Fprintln(opt.Out)
	if err := result.Table(opt.Out); err != nil {
		return err
	}
	if asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
			return err
		}
	}
	if len(result.Failures) > 0 {
		return fmt.Errorf("the demo fell short: %s (see %s)", strings.Join(result.Failures, "; "), opt.Dir)
	}
	if keep {
		return nil
	}
	return os.RemoveAll(opt.Dir)
}
