package continual

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"nightshift/update/train"
)

// ReportFile is the page that Bench.Run writes for people.
const ReportFile = "report.html"

// Bench is a whole benchmark with its files.
type Bench struct {
	Options            // Model and Report are set by Run
	Recipe   Recipe    // of the model
	CacheDir string    // models are kept there
	Dir      string    // records and report go there; a benchmark that was interrupted goes on from them
	Progress io.Writer // one line for each thing that was done; nil: none
}

// Run makes the model where it must, measures what is not measured yet, and writes the report.
func (b Bench) Run(ctx context.Context) (Report, error) {
	say := func(format string, args ...any) {
		if b.Progress != nil {
			fmt.Fprintf(b.Progress, format+"\n", args...)
		}
	}
	begin := time.Now()
	var err error
	b.Options.Model, err = OpenModel(ctx, b.CacheDir, b.Recipe, func(s train.Step) error {
		if s.Step%100 == 0 || s.Step == s.Steps {
			say("make the model: step %d of %d, loss %.3f, %s", s.Step, s.Steps, s.Loss, time.Since(begin).Round(time.Second))
		}
		return nil
	})
	if err != nil {
		return Report{}, err
	}
	kept, err := OpenRecords(b.Dir)
	if err != nil {
		return Report{}, err
	}
	defer kept.Close() //nolint:errcheck // each record is synced when it is added
	b.Options.Report = func(p RunReport) error {
		if !p.Kept {
			say("%s %d of %d: %s, %s, order %d, seed %d: %.1f s; about %s left", p.Stage, p.Done, p.Total, p.Run.Track, p.Run.Method, p.Run.Order+1, p.Run.Seed+1, p.Run.Seconds, p.Left.Round(time.Second))
		}
		return nil
	}
	records, err := Run(ctx, kept, b.Options)
	if err != nil {
		return Report{}, err
	}
	report := Report{Model: b.Options.Model.Digest, Budget: b.Budget, Sizes: b.Sizes, Stream: b.Stream, Records: records}
	for _, m := range b.Methods {
		report.Tuned = report.Tuned || len(m.Grid) > 0
	}
	for _, track := range b.Tracks {
		for _, scale := range []Scale{ExactAnswers, LogProb} {
			s, err := Summarize(records, track, scale)
			if err != nil {
				return Report{}, err
			}
			report.Summaries = append(report.Summaries, s)
		}
	}
	var page bytes.Buffer
	if err := report.HTML(&page); err != nil {
		return Report{}, err
	}
	if err := os.WriteFile(filepath.Join(b.Dir, ReportFile), page.Bytes(), 0o644); err != nil {
		return Report{}, fmt.Errorf("write report: %w", err)
	}
	results, err := json.MarshalIndent(report.Results(), "", "  ")
	if err != nil {
		return Report{}, fmt.Errorf("write results: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.Dir, ResultsFile), append(results, '\n'), 0o644); err != nil {
		return Report{}, fmt.Errorf("write results: %w", err)
	}
	return report, nil
}
