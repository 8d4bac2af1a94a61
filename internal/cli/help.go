package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// narrowHelp leaves out of a command's help what is of no use to it.
func narrowHelp(root *cobra.Command, useful map[string]string) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		Narrow(cmd, useful)
		help(cmd, args)
	})
}

// Narrow hides the common flags that are of no use to a command, and shows the others. useful names those of use to a command and to those
// below it, by its path without the program's name. All are accepted everywhere. A command that is not listed, nor one above it, has use for all.
func Narrow(cmd *cobra.Command, useful map[string]string) {
	flags, listed := "", false
	for c := cmd; c.HasParent() && !listed; c = c.Parent() {
		flags, listed = useful[path(c)]
	}
	cmd.Root().PersistentFlags().VisitAll(func(f *pflag.Flag) {
		f.Hidden = listed && !slices.Contains(strings.Fields(flags), f.Name)
	})
}
