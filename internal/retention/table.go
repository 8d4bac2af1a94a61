package retention

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// Table writes a report for people: the sets, the matrix, its figures and the alarms.
func (r Report) Table(w io.Writer) error {
	if len(r.Sets) == 0 {
		_, err := fmt.Fprintf(w, "track %s: no night that led to its champion has left scores of probes\n", r.Track)
		return err
	}
	fmt.Fprintf(w, "track %s: mean log-probability of a token of the expected answers, in nats; higher is better\n\n", r.Track)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\tset\tprobes\tnow\tbelow the best")
	for j, s := range r.Sets {
		fmt.Fprintf(t, "%d\t%s\t%d\t%s\t%s\n", j+1, s.Name, s.Probes, figure(s.Now), figure(s.Fall))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprint(t, "activation\tversion")
	for j := range r.Sets {
		fmt.Fprintf(t, "\t%d", j+1)
	}
	fmt.Fprintln(t)
	for i, row := range r.Rows {
		fmt.Fprintf(t, "%d\t%s", row.Activation, row.Name)
		for _, x := range r.R[i] {
			fmt.Fprintf(t, "\t%s", figure(number(x)))
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if f := r.Figures; f != nil {
		fmt.Fprintf(w, "\nof the champion's nights: ACC %s, BWT %s, FWT %s, forgetting %s, learning accuracy %s\n",
			figure(f.ACC), figure(f.BWT), figure(f.FWT), figure(f.Forgetting), figure(f.Learning))
	}
	for _, a := range r.Alarms {
		fmt.Fprintf(w, "\nALARM  %s\n", a)
	}
	return nil
}

// figure prints a number, – for what was not measured.
func figure(x *float64) string {
	if x == nil {
		return "–"
	}
	if math.Abs(*x) < 0.0005 {
		return "0.000"
	}
	return strconv.FormatFloat(*x, 'f', 3, 64)
}
