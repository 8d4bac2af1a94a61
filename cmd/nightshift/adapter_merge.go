package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/serve"
	"nightshift/update/night"
)

// addend parses "support@17:0.5": a version, and the factor by which it counts, 1 where none is said.
func addend(text string) (track string, number int, weight float64, err error) {
	name, factor, weighted := strings.Cut(text, ":")
	weight = 1
	if weighted {
		if weight, err = strconv.ParseFloat(factor, 64); err != nil {
			return "", 0, 0, fmt.Errorf("%q has no weight: write track@number:weight, as in default@3:0.5", text)
		}
	}
	track, number, err = parseVersion(name)
	return track, number, weight, err
}

// openVerified opens the registry with the checks that a server makes, for what is stored by hand.
func openVerified(s *app.Flags, cmd *cobra.Command) (*registry.Registry, *engine.Model, int, error) {
	c, err := s.Load(cmd)
	if err != nil {
		return nil, nil, 0, err
	}
	dir, cache, err := app.ModelDir(c)
	if err != nil {
		return nil, nil, 0, err
	}
	m, err := engine.LoadModel(dir, cache)
	if err != nil {
		return nil, nil, 0, err
	}
	r, err := registry.Look(c.RegistryDir(), serve.Verify(m))
	if err != nil {
		return nil, nil, 0, err
	}
	return r, m, c.Engine.MaxRank, r.Declare(c.TrackNames()...)
}

func adapterMerge(s *app.Flags) *cobra.Command {
	var rank int
	var track string
	var asJSON bool
	cmd := &cobra.Command{Use: "merge TRACK@N[:WEIGHT]...", Short: "Store the weighted sum of versions as a version, which is not activated",
		Long: "Store the sum of what versions add to the model, each times its weight, as a version of a track. A negative weight takes away: a change\n" +
			"that was learned once is default@3 default@2:-1. The sum is exact where the rank is at least the sum of the versions' ranks; else it\n" +
			"is the best approximation of that rank, and the command says how far off it is. Nobody has judged what comes of it: look at it as model\n" +
			"TRACK@N before you activate it."}
	cmd.Flags().IntVar(&rank, "rank", 0, "rank of the sum (default: the sum of the ranks, but at most engine.max_rank)")
	cmd.Flags().StringVar(&track, "track", registry.Default, "track that gets the version")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, _, maxRank, err := openVerified(s, cmd)
		if err != nil {
			return err
		}
		if err := r.FindTrack(track); err != nil {
			return err
		}
		parts := make([]night.Addend, len(args))
		names := make([]string, len(args))
		for i, text := range args {
			from, number, weight, err := addend(text)
			if err != nil {
				return err
			}
			parts[i] = night.Addend{Ref: registry.Ref{Track: from}, Weight: weight}
			if number > 0 {
				if parts[i].Ref, err = r.Resolve(from, "@"+strconv.Itoa(number)); err != nil {
					return err
				}
			}
			names[i] = parts[i].String()
		}
		m, err := night.Merge(cmd.Context(), r, track, parts, rank, maxRank)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(os.Stdout).Encode(m)
		}
		fmt.Printf("%s is %s, with rank %d; %.2g %% of the sum was cut off\n", m.Ref, strings.Join(names, " + "), m.Rank, 100*m.Lost)
		fmt.Printf("ask it as model %s, or make it the champion: nightshift adapter activate %s\n", m.Ref, m.Ref)
		return nil
	}
	return cmd
}
