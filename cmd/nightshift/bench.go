package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/app"
)

func benchCommand(s *app.Flags) *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure this program on this machine, beside the machine's own limits",
		Long: "Measure this program on this machine, beside the machine's own limits, on random weights.\n\n" +
			"What is compared is measured in the same blocks, in random order. Each line over all blocks gives medians, and for ratios\n" +
			"and shares of the machine's limits a 95 % interval. Nothing else should run meanwhile."}
	cmd.AddCommand(benchRoofline(s), benchDecode(s), benchPrefill(s), benchServe(s), benchQuantize(s), benchTrain(s))
	return cmd
}
