package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nightshift/internal/process"
	"nightshift/internal/registry"
	"nightshift/internal/walkthrough"
)

// StartOptions choose a benchmark of the program's start.
type StartOptions struct {
	Options
	Shapes  []string // in place of Options.Shape
	Program []string // the program and its arguments, which serves; --model, --data and --listen are added
}

// Start measures the program from its start until it says that it is ready, and what memory it takes once it has answered: its own
// (anonymous) and that of files apart, and all of it as a multiple of the weights and the memory that keys and values have taken by
// then (rss_over_use); and how much of a processor it uses while it waits for requests (idle_cpu_percent). On systems without /proc
// there is neither in it. The summary is the line of the last shape.
func Start(ctx context.Context, opt StartOptions, report Report) error {
	if len(opt.Shapes) == 0 || len(opt.Program) == 0 {
		return errors.New("measure the start: no shape or no program is given")
	}
	opt.Shape = opt.Shapes[0]
	weights, err := opt.one()
	if err != nil {
		return err
	}
	opt.Program = slices.Concat(opt.Program, mustFormat(weights).args)
	var last Result
	var all []Result
	p := plan{bench: "start", options: opt.Options, judged: "rss_over_use"}
	for _, shape := range opt.Shapes {
		opt.say("make the model of %s", shape)
		m, err := RandomModel(shape, weights, opt.CacheDir) // converts the weights
		if err != nil {
			return err
		}
		dir, err := servedDir(shape, opt.CacheDir)
		if err != nil {
			return err
		}
		info, err := os.Stat(weightsFile(dir, m, opt.CacheDir))
		if err != nil {
			return fmt.Errorf("measure the start: %w", err)
		}
		p.options.Shape = shape
		size := float64(info.Size()) / 1e6
		p.cases = []testCase{{weights: weights, settings: []Number{{"weights_mb", size}}, run: func(ctx context.Context, _ int) (measurement, error) {
			return opt.start(ctx, dir, size)
		}}}
		p.intervals = []string{"rss_over_use"}
		if _, err := opt.start(ctx, dir, size); err != nil { // verifies the weights, once for all
			return err
		}
		lines, err := p.run(ctx, report)
		if err != nil {
			return err
		}
		last = lines[0]
		all = append(all, last)
	}
	return p.conclude(all, last, report)
}

// start runs the program once.
func (opt StartOptions) start(ctx context.Context, model string, size float64) (m measurement, err error) {
	data, err := os.MkdirTemp("", "nightshift-bench-")
	if err != nil {
		return m, fmt.Errorf("measure the start: %w", err)
	}
	defer os.RemoveAll(data)
	address, err := freeAddress()
	if err != nil {
		return m, err
	}
	args := slices.Concat(opt.Program[1:], []string{"--model", model, "--data", data, "--listen", address, "--threads", strconv.Itoa(opt.Threads)})
	cmd := exec.CommandContext(ctx, opt.Program[0], args...)
	log, err := os.Create(filepath.Join(data, "log"))
	if err != nil {
		return m, fmt.Errorf("measure the start: %w", err)
	}
	defer log.Close()
	cmd.Stderr = log
	begin := time.Now()
	ended, err := process.Start(cmd)
	if err != nil {
		return m, fmt.Errorf("start the program: %w", err)
	}
	gone := make(chan error, 1)
	alive, died := context.WithCancel(ctx)
	go func() { gone <- <-ended; died() }()
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if e := <-gone; e != nil && err == nil {
			err = fmt.Errorf("the program ended: %w: %s", e, tail(log.Name()))
		}
	}()
	if err := waitReady(alive, "http://"+address, 5*time.Minute); err != nil {
		return m, fmt.Errorf("%w: %s", err, tail(log.Name()))
	}
	m.figures = append(m.figures, Number{"ready_ms", milliseconds(time.Since(begin))})
	server := newHTTPTarget("http://"+address, false)
	defer server.close()
	t := server.answer(alive, question{model: registry.Default, text: "good evening", tokens: 8})
	if t.err != nil {
		return m, t.err
	}
	if len(t.arrivals) > 0 {
		m.figures = append(m.figures, Number{"first_answer_ms", milliseconds(time.Since(begin))})
	}
	if memory, ok := walkthrough.ResidentOf(cmd.Process.Pid); ok {
		kv, err := server.metric(alive, "nightshift_kv_bytes")
		if err != nil {
			return m, err
		}
		m.figures = append(m.figures, memoryNumbers(memory)...)
		m.figures = append(m.figures, Number{"kv_mb", kv / 1e6}, Number{"rss_over_use", float64(memory.Total()) / 1e6 / (size + kv/1e6)})
		idle, err := idleCPU(alive, server)
		if err != nil {
			return m, err
		}
		m.figures = append(m.figures, Number{"idle_cpu_percent", idle})
	}
	return m, nil
}

// idleTime is how long a server waits for requests while its use of the processor is measured, which is known to 10 ms.
const idleTime = 2 * time.Second

// idleCPU is how much of a processor a server uses when nobody asks anything.
func idleCPU(ctx context.Context, server httpTarget) (percent float64, err error) {
	const name = "process_cpu_seconds_total"
	begin := time.Now()
	before, err := server.metric(ctx, name)
	if err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(idleTime):
	}
	after, err := server.metric(ctx, name)
	return 100 * (after - before) / time.Since(begin).Seconds(), err
}

// freeAddress is a loopback address on which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// tail is the end of a file, for a message.
func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data[max(0, len(data)-500):]))
}

// memoryNumbers are the figures of memory, in 10⁶ bytes.
func memoryNumbers(m walkthrough.Resident) []Number {
	return []Number{{"rss_mb", float64(m.Total()) / 1e6}, {"anonymous_mb", float64(m.Anonymous) / 1e6}, {"file_mb", float64(m.File) / 1e6}}
}
