package main

import (
	"fmt"

	"nightshift/internal/app"

	"github.com/spf13/cobra"
)

func configCommand(s *app.Flags) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Print or check the configuration"}
	cmd.AddCommand(
		&cobra.Command{Use: "print", Short: "Print the configuration in force, with the documentation of every key",
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := s.Load(cmd)
				if err != nil {
					return err
				}
				fmt.Fprint(cmd.OutOrStdout(), c.YAML())
				return nil
			}},
		&cobra.Command{Use: "check", Short: "Say whether the configuration is valid",
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := s.Load(cmd)
				if err != nil {
					return err
				}
				for _, w := range c.Warnings {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
				}
				fmt.Fprintln(cmd.OutOrStdout(), "the configuration is valid")
				return nil
			}})
	return cmd
}
