// Command testreport runs go test with its own arguments and prints what go test prints, then every skipped test with its
// reason. A test that was skipped for want of a tool looks like a passed one otherwise. It exits with go test's status.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		status = 1
	}
	os.Exit(status)
}

// run runs go test -json with args and reports its events to w. The status is go test's.
func run(ctx context.Context, args []string, w io.Writer) (status int, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go test passes it on to its children
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("run go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run go test: %w", err)
	}
	reportErr := newReport(w).read(events)
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), reportErr
	}
	return 0, errors.Join(err, reportErr)
}

// event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// report holds the output of each test until its end is known: what a passed test said is dropped, as go test does.
type report struct {
	w       io.Writer
	output  map[string][]string // package and test → lines
	reasons map[string][]string // why → tests
}

func newReport(w io.Writer) *report {
	return &report{w: w, output: map[string][]string{}, reasons: map[string][]string{}}
}

// read reports all events, then the skipped tests.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if errors.Is(err, io.EOF) {
			r.skipped()
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events of go test: %w", err)
		}
	}
}

func (r *report) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		r.w.Write(line) //nolint:errcheck // a message that is no event, as it is
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "output":
		r.said(key, e)
	case "fail":
		if e.Test != "" {
			fmt.Fprint(r.w, strings.Join(r.output[key], ""))
		} else {
			r.unfinished(e.Package)
		}
		delete(r.output, key)
	case "skip":
		if e.Test != "" {
			why := reason(r.output[key])
			r.reasons[why] = append(r.reasons[why], e.Package+"."+e.Test)
		}
		delete(r.output, key)
	case "pass":
		delete(r.output, key)
	}
}

// unfinished prints what the tests of a package said that have no end: one that hung or crashed says where in it.
func (r *report) unfinished(pkg string) {
	for _, key := range slices.Sorted(maps.Keys(r.output)) {
		if of, test, _ := strings.Cut(key, " "); of == pkg && test != "" {
			fmt.Fprint(r.w, "--- no end: "+test+"\n"+strings.Join(r.output[key], ""))
			delete(r.output, key)
		}
	}
}

// said keeps what a test says and prints what a package says, less the marks that only -v shows.
func (r *report) said(key string, e event) {
	mark := strings.TrimLeft(e.Output, " ")
	if strings.HasPrefix(mark, "=== ") || e.Output == "PASS\n" || strings.HasPrefix(e.Output, "coverage: ") {
		return
	}
	if e.Test == "" {
		fmt.Fprint(r.w, e.Output)
		return
	}
	r.output[key] = append(r.output[key], e.Output)
}

// reason is what a test said when it was skipped: the lines but the first mark, without file and line.
func reason(output []string) string {
	for _, line := range output {
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "--- SKIP") {
			continue
		}
		if file, message, ok := strings.Cut(text, ": "); ok && strings.Contains(file, ".go:") {
			text = message
		}
		return text
	}
	return "no reason given"
}

// skipped prints the skipped tests, by reason.
func (r *report) skipped() {
	if len(r.reasons) == 0 {
		return
	}
	fmt.Fprintln(r.w, "\nskipped:")
	reasons := make([]string, 0, len(r.reasons))
	for why := range r.reasons {
		reasons = append(reasons, why)
	}
	slices.Sort(reasons)
	for _, why := range reasons {
		fmt.Fprintf(r.w, "  %s\n", why)
		for _, test := range r.reasons[why] {
			fmt.Fprintf(r.w, "    %s\n", test)
		}
	}
}
