package walkthrough

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Table prints a result for people.
func (r Result) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tasked\tright before\tright after\t")
	fmt.Fprintf(t, "changed facts\t%d\t%.1f %%\t%.1f %%\t\n", r.ChangedAsked, 100*r.ChangedBefore, 100*r.ChangedAfter)
	fmt.Fprintf(t, "unchanged facts\t%d\t%.1f %%\t%.1f %%\t\n", r.UnchangedAsked, 100*r.UnchangedBefore, 100*r.UnchangedAfter)
	if err := t.Flush(); err != nil {
		return err
	}
	total := 0
	for _, n := range r.StreamAnswers {
		total += n
	}
	restored := "restored every old answer exactly"
	if !r.RollbackEqual {
		restored = "did NOT restore the old answers"
	}
	if _, err := fmt.Fprintf(w, "\nnight %s: %.0f s, gate: %s. Rollback: %.1f ms, %s.\n%d streams gave %d answers while versions were swapped: %d failed, %d mixed versions.\nAll in %.0f s.\n",
		r.Night, r.NightSeconds, r.Gate, r.SwapMS, restored, r.Streams, total, r.Failed, r.Mixed, r.Seconds); err != nil || r.Memory == (Memory{}) {
		return err
	}
	m := r.Memory
	_, err := fmt.Fprintf(w, "Memory at most: %s for the server before the night; %s for the server and %s for the night beside it.\n", size(m.Alone), size(m.Server), size(m.Night))
	return err
}

// size prints memory in 10⁶ bytes.
func size(m Resident) string {
	return fmt.Sprintf("%.0f MB and %.0f MB of files", float64(m.Anonymous)/1e6, float64(m.File)/1e6)
}
