package main

import "github.com/spf13/cobra"

// commands lists the commands, in the order of the help.
func commands(s *settings) []*cobra.Command {
	return []*cobra.Command{runCommand(s), serveCommand(s), updateCommand(s), nightCommand(s), importCommand(s), trackCommand(s), adapterCommand(s), forgetCommand(s), demoCommand(s), benchCommand(s), doctorCommand(s), configCommand(s), manCommand()}
}
