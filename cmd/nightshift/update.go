package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/cli"
	"nightshift/internal/nightrecord"
	"nightshift/update"
	"nightshift/update/night"
	"nightshift/update/work"
)

func updateCommand(s *app.Flags) *cobra.Command {
	var now, dryRun, why, asJSON bool
	var track, replay string
	cmd := &cobra.Command{Use: "update", Short: "Learn: on schedule beside a server (over Redis), or one night at once"}
	f := cmd.Flags()
	f.BoolVar(&now, "now", false, "run one night now and end")
	f.BoolVar(&dryRun, "dry-run", false, "run one night now, publish nothing and end")
	f.BoolVar(&why, "explain", false, "with --now or --dry-run: list why feedback is not used")
	f.StringVar(&track, "track", "default", "track of the night")
	f.StringVar(&replay, "replay", "", "run a recorded night's work again and compare the adapters")
	f.BoolVar(&asJSON, "json", false, "JSON lines, the result last")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := s.Load(cmd)
		if err != nil {
			return err
		}
		once := now || dryRun
		printer := &nightPrinter{json: asJSON}
		if why {
			printer.explain = func(night string) error {
				r, err := s.OpenRegistry(cmd)
				if err != nil {
					return err
				}
				list, err := reasons(r, night)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(os.Stdout).Encode(map[string]any{"id": night, "unused": list})
				}
				return printReasons(os.Stdout, list)
			}
		}
		if at, running := app.RunningServer(c); running && once && c.Store.Kind == "local" {
			n, err := app.RemoteNight(cmd.Context(), at, track, dryRun, printer.show)
			if err != nil {
				return err
			}
			return printer.result(n)
		}
		if c.Store.Kind == "local" && !once && replay == "" {
			return errors.New("a local store has one process: use the command run, or store.kind redis to learn beside a server, or --now for one night")
		}
		role := app.Learning
		if once || replay != "" {
			role = app.Once
		}
		p, err := s.Open(cmd, role)
		if err != nil {
			return err
		}
		nights, err := p.NewNights(night.Deps{Progress: printer.show})
		switch {
		case err != nil:
		case replay != "":
			err = nearNight(p.Registry, replay, replayNight(cmd, nights, replay, asJSON))
		case once:
			err = oneNight(cmd, update.New(nights), printer, night.Request{Track: track, By: "cli", DryRun: dryRun})
		default:
			p.Log.Info("the updater is ready")
			err = p.Learn(cmd.Context(), update.New(nights))
		}
		return p.Closing(err)
	}
	return cmd
}

// oneNight runs a night in this process. A candidate that is rejected is a result and not an error.
func oneNight(cmd *cobra.Command, updater *update.Updater, printer *nightPrinter, req night.Request) error {
	n, err := updater.RunNight(cmd.Context(), req)
	if err != nil {
		return err
	}
	return printer.result(n)
}

// replayNight proves that a night's record leads to the same adapter.
func replayNight(cmd *cobra.Command, nights *night.Nights, id string, asJSON bool) error {
	r, err := nights.Replay(cmd.Context(), id, func(p work.ProgressLine) {
		if !asJSON && isTerminal(os.Stderr) {
			fmt.Fprintf(os.Stderr, "\r%-10s %d of %d   ", p.Stage, p.Done, p.Total)
		}
	})
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(os.Stdout).Encode(r)
	} else {
		verdict := "the same adapter"
		if !r.Same {
			verdict = "ANOTHER adapter"
		}
		_, err = fmt.Printf("night %s made %s\nits replay made %s: %s\n%d of %d examples are gone since\n", r.Night, r.Recorded, r.Digest, verdict, r.Gone, r.Examples)
	}
	if err == nil && !r.Same {
		err = cli.ExitCode(1)
	}
	return err
}

// nightPrinter shows a night's progress: a line that is rewritten on a terminal, a line a state elsewhere, the records
// themselves as JSON.
type nightPrinter struct {
	json    bool
	state   nightrecord.State
	explain func(night string) error // lists why feedback is not used; nil where nobody asked
}

func (p *nightPrinter) show(n nightrecord.Night) {
	if p.json {
		json.NewEncoder(os.Stdout).Encode(n) //nolint:errcheck,errchkjson // progress; the result is checked
		return
	}
	if isTerminal(os.Stderr) {
		line := fmt.Sprintf("\r%-10s", n.State)
		if g := n.Progress; g != nil && g.Steps > 0 {
			done := 30 * g.Step / g.Steps
			line += fmt.Sprintf(" [%s%s] %d/%d", strings.Repeat("█", done), strings.Repeat("·", 30-done), g.Step, g.Steps)
			if g.Loss > 0 {
				line += fmt.Sprintf("  loss %.4f", g.Loss)
			}
			if g.ETA > 0 {
				line += fmt.Sprintf("  %.0f s left", g.ETA)
			}
		}
		fmt.Fprintf(os.Stderr, "%-100s", line)
	} else if n.State != p.state {
		fmt.Fprintln(os.Stderr, n.State)
	}
	p.state = n.State
}

// result prints how a night ended.
func (p *nightPrinter) result(n nightrecord.Night) error {
	if p.json {
		return errors.Join(p.explained(n), json.NewEncoder(os.Stdout).Encode(n))
	}
	if isTerminal(os.Stderr) {
		fmt.Fprintln(os.Stderr)
	}
	fmt.Printf("night %s of track %s: %s\n", n.ID, n.Track, n.State)
	if n.Reason != "" {
		fmt.Println(n.Reason)
	}
	if s := n.Selected; s != nil {
		fmt.Printf("%d new examples, %d of them by editors; %d people; %d rehearsed, %d held out, %d anchors; %d not used, %d wait for others, %d too young\n",
			s.New, s.Editors, s.Subjects, s.Rehearsal, s.HeldOut, s.Anchors, s.Rejected, s.Quarantined, s.Waiting)
	}
	if n.From != "" {
		fmt.Printf("began with the warm start %s\n", n.From)
	}
	if text := n.WarmStart.Sentence(); text != "" {
		fmt.Println("warm start " + text)
	}
	if err := p.explained(n); err != nil {
		return err
	}
	if n.Verdict != nil {
		for _, c := range n.Verdict.Checks {
			mark := "pass"
			if !c.Pass {
				mark = "FAIL"
			}
			fmt.Printf("  %s  %-10s %s\n", mark, c.Name, c.Detail)
		}
	}
	if n.Candidate != nil && n.Candidate.Version > 0 {
		fmt.Printf("candidate %s@%d %s\n", n.Track, n.Candidate.Version, n.Candidate.Digest)
	}
	if n.State == nightrecord.Failed {
		return cli.ExitCode(1)
	}
	return nil
}

// explained lists why the night does not use what it had, where somebody asked.
func (p *nightPrinter) explained(n nightrecord.Night) error {
	if p.explain == nil {
		return nil
	}
	return p.explain(n.ID)
}

// isTerminal says whether a file is a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
