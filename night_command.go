package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"nightshift/update"
	"nightshift/update/work"
)

func nightCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "night", Short: "Look at nights"}
	cmd.AddCommand(nightReview(s), nightWork(s))
	return cmd
}

// nightReview gives the evidence of a night a second chance.
func nightReview(s *settings) *cobra.Command {
	return &cobra.Command{Use: "review NIGHT", Short: "Vouch for what a rejected or rolled-back night selected: the next night takes it up again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.openRegistry(cmd)
			if err != nil {
				return err
			}
			track, n, err := update.Review(r, args[0], actor(), time.Now())
			if err != nil {
				return err
			}
			fmt.Printf("the next night of track %s takes up %d examples of night %s again\n", track, n, args[0])
			return nil
		}}
}

// nightWork is the child process of a night; people have no use for it.
func nightWork(s *settings) *cobra.Command {
	return &cobra.Command{Use: "work DIR", Short: "Train and score the frozen selection of a night (started by the updater)", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.load(cmd)
			if err != nil {
				return err
			}
			if err := openRuntime(cmd.Context(), c); err != nil {
				return err
			}
			return work.Run(cmd.Context(), args[0], os.Stdout)
		}}
}
