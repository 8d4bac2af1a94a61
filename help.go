package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usefulFlags are those flags of every command that are of use to a command and to those below it. All are accepted everywhere; the others
// are left out of the help. A command that is not listed, nor one above it, has use for all.
var usefulFlags = map[string]string{
	"track":         "config set data",
	"adapter":       "config set data",
	"adapter merge": "config set data model",
	"night":         "config set data",
	"import":        "config set data model weights threads",
	"update":        "config set data model weights threads",
	"forget":        "config set data model weights threads",
	"demo":          "config set",
	"bench":         "config set model threads",
	"man":           "",
	"help":          "",
	"completion":    "",
}

// narrowHelp leaves out of a command's help what is of no use to it.
func narrowHelp(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		narrow(cmd)
		help(cmd, args)
	})
}

// narrow hides the flags of every command that are of no use to this one, and shows the others.
func narrow(cmd *cobra.Command) {
	useful, listed := "", false
	for c := cmd; c.HasParent() && !listed; c = c.Parent() {
		useful, listed = usefulFlags[path(c)]
	}
	cmd.Root().PersistentFlags().VisitAll(func(f *pflag.Flag) {
		f.Hidden = listed && !slices.Contains(strings.Fields(useful), f.Name)
	})
}
