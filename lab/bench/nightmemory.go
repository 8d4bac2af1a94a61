package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"nightshift/internal/walkthrough"
)

// NightMemoryOptions choose a measurement of memory while a night runs. Of Options it takes Threads, for the lines, and Progress.
type NightMemoryOptions struct {
	Options
	Program []string // the program, and flags before its command
	Streams int      // that keep running
}

// NightMemory walks through the loop on the model that ships, with a real night beside streams that keep running, and reports the
// peak memory in RAM: of the server before the night, and of the server and the night's process at the moment when both together had most. Of
// files, what both have mapped counts twice in their sum. The summary is the sum, and its ratio to the server before the night. On systems
// that do not tell it fails.
func NightMemory(ctx context.Context, opt NightMemoryOptions, report Report) error {
	if len(opt.Program) == 0 {
		return errors.New("measure a night's memory: no program is given")
	}
	if err := positive("number of streams", opt.Streams); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nightshift-bench-")
	if err != nil {
		return fmt.Errorf("measure a night's memory: %w", err)
	}
	defer os.RemoveAll(dir)
	out := opt.Progress
	if out == nil {
		out = io.Discard
	}
	r, err := walkthrough.Run(ctx, walkthrough.Options{Command: opt.Program, Dir: dir, Out: out, Streams: opt.Streams})
	if err != nil {
		return fmt.Errorf("measure a night's memory: %w", err)
	}
	return opt.report(r.Memory, report)
}

// report makes lines of the memory that was seen.
func (opt NightMemoryOptions) report(m walkthrough.Memory, report Report) error {
	if m.Alone.Total() == 0 || m.Night.Total() == 0 {
		return errors.New("measure a night's memory: this system does not tell the memory of a process, or its children")
	}
	line := Result{Bench: "night-memory", Shape: "demo", Weights: formats[0].name, Threads: opt.Threads, Settings: []Number{{"streams", float64(opt.Streams)}}}
	for _, part := range []struct {
		name   string
		memory walkthrough.Resident
	}{{"server alone", m.Alone}, {"server at night", m.Server}, {"night", m.Night}, {"server and night", m.Server.Add(m.Night)}} {
		line.Case, line.Figures = part.name, memoryNumbers(part.memory)
		if err := report(line); err != nil {
			return err
		}
	}
	line.Summary = true
	line.Figures = append(line.Figures, Number{"over_alone", float64(m.Server.Add(m.Night).Total()) / float64(m.Alone.Total())})
	return report(line)
}
