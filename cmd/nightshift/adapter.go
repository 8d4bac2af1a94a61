package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/registry"
)

func adapterCommand(s *app.Flags) *cobra.Command {
	cmd := &cobra.Command{Use: "adapter", Short: "List, activate, roll back, hold, merge and export versions"}
	cmd.AddCommand(adapterList(s), adapterActivate(s), adapterRollback(s), adapterHold(s), adapterRelease(s), adapterMerge(s), adapterExport(s))
	return cmd
}

// actor is the person who decides, as activations record it.
func actor() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli/" + u.Username
	}
	return "cli"
}

// adapterRow is one version in a list.
type adapterRow struct {
	Track    string `json:"track"`
	Version  int    `json:"version"`
	Digest   string `json:"digest"`
	Night    string `json:"night"`
	Made     string `json:"made"` // the night, merged or imported; "" the base model
	Examples int    `json:"examples"`
	Created  string `json:"created"`
	Champion bool   `json:"champion"`
}

func adapterList(s *app.Flags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "list", Short: "List the versions of every track"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := s.OpenRegistry(cmd)
		if err != nil {
			return err
		}
		tracks, err := r.Tracks()
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(os.Stdout, 2, 8, 2, ' ', 0)
		if !asJSON {
			fmt.Fprintln(t, "version\tserves\texamples\tcreated\tmade\tdigest")
		}
		for _, track := range tracks {
			if err := listTrack(r, track, t, asJSON); err != nil {
				return err
			}
		}
		return t.Flush()
	}
	return cmd
}

// listTrack prints the versions of one track, the base model first.
func listTrack(r *registry.Registry, track string, t *tabwriter.Writer, asJSON bool) error {
	champion, err := r.Champion(track)
	if err != nil {
		return err
	}
	refs, err := r.Versions(track)
	if err != nil {
		return err
	}
	for _, ref := range append([]registry.Ref{{Track: track}}, refs...) {
		row := adapterRow{Track: track, Version: ref.Number, Digest: ref.Digest, Champion: ref.Digest == champion.Digest}
		if !ref.Base() {
			m, err := r.Version(ref.Digest)
			if err != nil {
				return err
			}
			row.Night, row.Made, row.Examples, row.Created = m.Night, m.Made(), m.Examples, m.Created.Format("2006-01-02 15:04")
		}
		if asJSON {
			if err := json.NewEncoder(os.Stdout).Encode(row); err != nil {
				return err
			}
			continue
		}
		serves := ""
		if row.Champion {
			serves = "champion"
			if champion.Held {
				serves += ", held"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%.19s\n", ref, serves, row.Examples, row.Created, row.Made, row.Digest)
	}
	return nil
}

// version splits "support@17" or "support@base" into a track and a number, 0 for the base model.
func parseVersion(name string) (track string, number int, err error) {
	track, selector := registry.SplitName(name)
	if selector == "@base" {
		return track, 0, nil
	}
	number, err = strconv.Atoi(strings.TrimPrefix(selector, "@"))
	if err != nil || number < 1 {
		return "", 0, fmt.Errorf("%q names no version: write track@number, as in default@3, or track@base", name)
	}
	return track, number, nil
}

func adapterActivate(s *app.Flags) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "activate TRACK@N", Short: "Make a version, or TRACK@base, the champion; running servers swap it in"}
	cmd.Flags().StringVar(&reason, "reason", "", "kept with the activation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		track, number, err := parseVersion(args[0])
		if err != nil {
			return err
		}
		r, err := s.OpenRegistry(cmd)
		if err != nil {
			return err
		}
		a := registry.Activation{Number: number, Previous: registry.Latest, Actor: actor(), Reason: reason}
		if number > 0 {
			ref, err := r.Resolve(track, "@"+strconv.Itoa(number))
			if err != nil {
				return err
			}
			a.Digest = ref.Digest
		}
		return printActivation(r.Activate(cmd.Context(), track, a))
	}
	return cmd
}

// printActivation says what is in force now.
func printActivation(a registry.Activation, err error) error {
	if err != nil {
		return err
	}
	held := ""
	if a.Held {
		held = "; nights are held until `nightshift adapter release " + a.Track + "`"
	}
	fmt.Printf("activation %d: %s is the champion%s\n", a.Sequence, a.Champion(), held)
	return nil
}

// trackAction is a command on one track.
func trackAction(s *app.Flags, use, short string, act func(cmd *cobra.Command, r *registry.Registry, track, reason string) (registry.Activation, error)) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: use + " [TRACK]", Short: short}
	cmd.Flags().StringVar(&reason, "reason", "", "kept with the activation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		track := registry.Default
		if len(args) == 1 {
			track = args[0]
		}
		r, err := s.OpenRegistry(cmd)
		if err != nil {
			return err
		}
		return printActivation(act(cmd, r, track, reason))
	}
	return cmd
}

func adapterRollback(s *app.Flags) *cobra.Command {
	return trackAction(s, "rollback", "Go back to the version before, and hold", func(cmd *cobra.Command, r *registry.Registry, track, reason string) (registry.Activation, error) {
		return r.Rollback(cmd.Context(), track, actor(), reason)
	})
}

func adapterHold(s *app.Flags) *cobra.Command {
	return trackAction(s, "hold", "Keep the champion: no night may replace it", func(cmd *cobra.Command, r *registry.Registry, track, reason string) (registry.Activation, error) {
		return r.Hold(cmd.Context(), track, actor(), reason)
	})
}

func adapterRelease(s *app.Flags) *cobra.Command {
	return trackAction(s, "release", "End a hold", func(cmd *cobra.Command, r *registry.Registry, track, reason string) (registry.Activation, error) {
		return r.Release(cmd.Context(), track, actor(), reason)
	})
}

func adapterExport(s *app.Flags) *cobra.Command {
	return &cobra.Command{Use: "export TRACK@N DIR", Short: "Write a version as a PEFT adapter directory",
		RunE: func(cmd *cobra.Command, args []string) error {
			track, number, err := parseVersion(args[0])
			if err != nil {
				return err
			}
			r, err := s.OpenRegistry(cmd)
			if err != nil {
				return err
			}
			if number == 0 {
				return fmt.Errorf("export %s: the base model is no adapter; its files are those of the model directory", args[0])
			}
			ref, err := r.Resolve(track, "@"+strconv.Itoa(number))
			if err != nil {
				return err
			}
			config, weights, _, err := r.Load(ref.Digest)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[1], 0o755); err != nil {
				return fmt.Errorf("export %s: %w", ref, err)
			}
			for name, data := range map[string][]byte{registry.ConfigFile: config, registry.WeightsFile: weights} {
				if err := os.WriteFile(filepath.Join(args[1], name), data, 0o644); err != nil {
					return fmt.Errorf("export %s: %w", ref, err)
				}
			}
			fmt.Printf("%s is in %s; load it with PEFT on the same base model\n", ref, args[1])
			return nil
		}}
}
