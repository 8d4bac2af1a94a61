package main

import (
	"os"

	"github.com/spf13/cobra"

	"nightshift/update/work"
)

func nightCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "night", Short: "Look at nights"}
	cmd.AddCommand(nightWork(s))
	return cmd
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
