// Command nightlab measures and tries Nightshift: it holds the benchmarks of single decisions, the comparison of methods of continual
// learning, and the trials of gate and nights over simulated customers. Whoever serves or learns has no use for it.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/cli"
	"nightshift/internal/telemetry"
)

func main() { os.Exit(cli.Run(rootCommand(), nil)) }

func rootCommand() *cobra.Command {
	var s app.Flags
	root := &cobra.Command{Use: "nightlab", Short: "Measure and try Nightshift: single decisions, methods of continual learning, the gate, whole seasons of nights", Version: telemetry.BuildInfo().Version}
	s.AddFlags(root.PersistentFlags())
	root.AddCommand(adaptersCommand(&s), busyCommand(&s), neighbourCommand(), continualCommand(&s), correctionsCommand(&s), gateCommand(&s), ingestCommand(&s), warmStartCommand(&s),
		invarianceCommand(&s), lookupCommand(&s), modelCommand(&s), nightMemoryCommand(&s), nightsCommand(&s), prefixCommand(&s), reportCommand(), workCommand(&s),
		startCommand(&s), stepsCommand(&s), swapCommand(&s), versionsCommand(&s))
	cli.Complete(root, map[string]string{"DIR": "a directory", "FILE": "a file, or several", "COMMAND": "a command"}, map[string]string{"help": "", "completion": ""})
	return root
}
