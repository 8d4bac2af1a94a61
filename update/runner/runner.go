// Package runner runs the heavy part of a night on this machine: the work of a directory in a child process, which is niced, gives way to servers
// that are busy, and is killed at its deadline, with its caller, and where the system can do that with this process.
//
// What it takes and gives are the files of the directory and lines of progress, so that work can be run elsewhere in the same way. It knows no
// registry and no track.
package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"nightshift/replaystore"
	"nightshift/update/work"
)

// errorBytes is how much of the child's standard error is kept: its end.
const errorBytes = 8 << 10

// Config says how a child process runs.
type Config struct {
	Command     []string      // starts it; the work directory is added as its last argument
	Deadline    time.Duration // after which it is killed
	Nice        int           // its niceness, 0 that of this process
	MemoryLimit int           // GOMEMLIMIT in MiB, 0 for none
	Governor    Governor
}

// Deps are what a runner works with.
type Deps struct {
	Control replaystore.Control // servers tell their load there
	Log     *slog.Logger
	Now     func() time.Time
}

// Local runs work in child processes of this machine. Its methods may be called from any goroutine.
type Local struct {
	cfg  Config
	deps Deps
}

// New makes a runner and starts nothing.
func New(cfg Config, deps Deps) *Local { return &Local{cfg, deps} }

// Run runs the work of a directory in a child process: niced, in a process group of its own, killed at the deadline,
// when ctx ends, and where the system can do that with this process. It gives way to servers as the configuration says. tell gets
// its progress.
func (l *Local) Run(ctx context.Context, dir string, tell func(context.Context, work.ProgressLine) error) error {
	limit, stop := context.WithTimeout(ctx, l.cfg.Deadline)
	defer stop()
	command := append(slices.Clone(l.cfg.Command), dir)
	cmd := exec.CommandContext(limit, command[0], command[1:]...) //nolint:gosec // the operator's own program
	cmd.Env = os.Environ()
	if l.cfg.MemoryLimit > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMEMLIMIT=%dMiB", l.cfg.MemoryLimit))
	}
	cmd.WaitDelay = 10 * time.Second
	detach(cmd)
	stderr := &tail{limit: errorBytes}
	cmd.Stderr = stderr
	read, write := io.Pipe()
	cmd.Stdout = write
	ended := make(chan error, 1)
	go func() {
		err := runNiced(cmd, l.cfg.Nice, l.governed(limit))
		_ = write.Close() // never fails
		ended <- err
	}()
	told := follow(limit, read, tell)
	if told != nil {
		stop() // kills the child: nobody could say what it does
	}
	_, _ = io.Copy(io.Discard, read) // until the child has ended
	err := <-ended
	switch {
	case told != nil:
		return told
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("train and evaluate: %w", ctx.Err())
	case errors.Is(limit.Err(), context.DeadlineExceeded):
		return fmt.Errorf("train and evaluate: not done after %s, the deadline of a night", l.cfg.Deadline)
	case stderr.last() != "":
		return fmt.Errorf("train and evaluate: %s (%w)", stderr.last(), err)
	}
	return fmt.Errorf("train and evaluate: %w", err)
}

// governed returns what starts the governor of a child process. Its result ends the governor.
func (l *Local) governed(ctx context.Context) func(*os.Process) (stop func()) {
	return func(child *os.Process) func() {
		if l.cfg.Governor.Target == 0 {
			return func() {}
		}
		ctx, cancel := context.WithCancel(ctx)
		had := make(chan float64, 1)
		go func() { had <- l.govern(ctx, child) }()
		return func() {
			cancel()
			if share := <-had; share < 1 {
				l.deps.Log.Info("a night gave way to servers", "share", math.Round(1000*share)/1000)
			}
		}
	}
}

// run starts a child process and waits for it; beside runs from its start to its end.
func run(cmd *exec.Cmd, beside func(*os.Process) (stop func())) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	defer beside(cmd.Process)()
	return cmd.Wait()
}

// follow tells the lines of progress until the child closes its output. Other lines are passed over.
func follow(ctx context.Context, out io.Reader, tell func(context.Context, work.ProgressLine) error) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var p work.ProgressLine
		if json.Unmarshal(lines.Bytes(), &p) != nil || p.Stage == "" {
			continue
		}
		if err := tell(ctx, p); err != nil {
			return fmt.Errorf("write down progress: %w", err)
		}
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	data  []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if over := len(t.data) - t.limit; over > 0 {
		t.data = slices.Delete(t.data, 0, over)
	}
	return len(p), nil
}

// last is the last line that is not empty.
func (t *tail) last() string {
	lines := strings.Split(strings.TrimSpace(string(t.data)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
