package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/nearest"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/update/history"
	"nightshift/update/night"
	"nightshift/update/selection"
	"nightshift/update/work"
)

func nightCommand(s *app.Flags) *cobra.Command {
	cmd := &cobra.Command{Use: "night", Short: "Look at nights"}
	cmd.AddCommand(nightList(s), nightShow(s), nightPlan(s), nightMatrix(s), nightReview(s), nightWork(s))
	return cmd
}

// nightShow shows a night's record, its verdict and how its candidate's trial went.
func nightShow(s *app.Flags) *cobra.Command {
	var asJSON, why bool
	cmd := &cobra.Command{Use: "show NIGHT", Short: "Show what a night did and why: its verdict as a table, and how its candidate fared on trial"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the record and the trial as JSON")
	cmd.Flags().BoolVar(&why, "explain", false, "list why it did not use feedback: rejected, waiting for others, or retired by newer corrections")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := s.OpenRegistry(cmd)
		if err != nil {
			return err
		}
		n, trial, err := readNight(r, args[0])
		if err != nil {
			return err
		}
		var unused []selection.Reason
		if why {
			if unused, err = reasons(r, args[0]); err != nil {
				return err
			}
		}
		if asJSON {
			return json.NewEncoder(os.Stdout).Encode(struct {
				nightrecord.Night
				Trial  *nightrecord.Trial `json:"trial,omitempty"`
				Unused []selection.Reason `json:"unused,omitempty"`
			}{n, trial, unused})
		}
		if err := n.Table(os.Stdout, trial); err != nil || !why {
			return err
		}
		return printReasons(os.Stdout, unused)
	}
	return cmd
}

// nightPlan says what the next night would find, without running it.
func nightPlan(s *app.Flags) *cobra.Command {
	var track string
	var asJSON bool
	cmd := &cobra.Command{Use: "plan", Short: "Say what the next night of a track waits for, or what it would learn, without running it"}
	cmd.Flags().StringVar(&track, "track", registry.Default, "track of the night")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the plan as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		plan, err := planNight(s, cmd, track)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(os.Stdout).Encode(plan)
		}
		return plan.Table(os.Stdout)
	}
	return cmd
}

// planNight asks the server that uses the data directory, or looks itself where there is none or the store is shared.
func planNight(s *app.Flags, cmd *cobra.Command, track string) (plan nightrecord.Plan, err error) {
	c, err := s.Load(cmd)
	if err != nil {
		return plan, err
	}
	if at, running := app.RunningServer(c); running && c.Store.Kind == "local" {
		return app.RemotePlan(cmd.Context(), at, track)
	}
	r, err := app.RegistryOf(c)
	if err == nil {
		err = r.FindTrack(track)
	}
	if err != nil {
		return plan, err
	}
	p, err := s.Open(cmd, app.Once)
	if err != nil {
		return plan, err
	}
	nights, err := p.NewNights(night.Deps{})
	if err == nil {
		plan, err = nights.Plan(cmd.Context(), track)
	}
	return plan, p.Closing(err)
}

// readNight reads a night's record, and the record of its trial if it had one.
func readNight(r *registry.Registry, id string) (n nightrecord.Night, trial *nightrecord.Trial, err error) {
	data, err := r.ReadNight(id, nightrecord.File)
	if err != nil {
		return n, nil, nearNight(r, id, err)
	}
	if n, err = nightrecord.Decode(data); err != nil {
		return n, nil, fmt.Errorf("show night %s: %w", id, err)
	}
	if data, err = r.ReadNight(id, nightrecord.TrialFile); errors.Is(err, registry.ErrNotFound) {
		return n, nil, nil
	}
	trial = &nightrecord.Trial{}
	if err == nil {
		err = json.Unmarshal(data, trial)
	}
	if err != nil {
		return n, nil, fmt.Errorf("show the trial of night %s: %w", id, err)
	}
	return n, trial, nil
}

// nearNight adds to an error that a night does not exist whether the nearest one was meant, or what lists them.
func nearNight(r *registry.Registry, id string, err error) error {
	if err == nil {
		return nil
	}
	ids, listed := r.ListNights()
	if _, there := r.NightFiles(id); listed != nil || !errors.Is(there, registry.ErrNotFound) && !errors.Is(there, registry.ErrName) {
		return err
	}
	if question := nearest.Question(id, ids); question != "" {
		return fmt.Errorf("%w%s", err, question)
	}
	return fmt.Errorf("%w; nightshift night list lists them", err)
}

// nightReview gives the evidence of a night a second chance.
func nightReview(s *app.Flags) *cobra.Command {
	return &cobra.Command{Use: "review NIGHT", Short: "Vouch for what a rejected or rolled-back night selected: the next night takes it up again",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.OpenRegistry(cmd)
			if err != nil {
				return err
			}
			track, n, err := history.Review(r, args[0], actor(), time.Now())
			if err != nil {
				return nearNight(r, args[0], err)
			}
			fmt.Printf("the next night of track %s takes up %d examples of night %s again\n", track, n, args[0])
			return nil
		}}
}

// nightWork is the child process of a night; people have no use for it.
func nightWork(s *app.Flags) *cobra.Command {
	return &cobra.Command{Use: "work DIR", Short: "Train and score the frozen selection of a night (started by the updater)", Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.Load(cmd)
			if err != nil {
				return err
			}
			if err := app.OpenRuntime(cmd.Context(), c); err != nil {
				return err
			}
			return work.Run(cmd.Context(), args[0], os.Stdout)
		}}
}
