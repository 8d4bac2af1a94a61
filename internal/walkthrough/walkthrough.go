// Package walkthrough shows the whole loop on the model that ships, from outside: it starts a server, asks it about the
// shop's facts, lets some facts change and simulated customers correct the answers, has a night learn from them while
// streams keep running, asks again, rolls back, and asks once more. It speaks to the server as any program would,
// through the API; nothing is bypassed, and what its configuration loosens stands in demo.yaml.
package walkthrough

import (
	"context"
	_ "embed" // for the configuration
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/process"
	"nightshift/models/demo"
	"nightshift/serve/api/wire"
)

//go:embed demo.yaml
var configuration []byte

// Options of a walkthrough.
type Options struct {
	Command []string  // the program that is shown: its path, and flags before the command
	Dir     string    // for configuration, data and the server's log; must exist
	Out     io.Writer // for people
	Streams int       // that keep running while versions are swapped
}

// Result is what a walkthrough saw. Shares are of 1.
type Result struct {
	ChangedBefore   float64        `json:"changed_right_before"`
	ChangedAfter    float64        `json:"changed_right_after"`
	UnchangedBefore float64        `json:"unchanged_right_before"`
	UnchangedAfter  float64        `json:"unchanged_right_after"`
	ChangedAsked    int            `json:"changed_asked"`
	UnchangedAsked  int            `json:"unchanged_asked"`
	Corrections     int            `json:"corrections"`
	Approvals       int            `json:"approvals"`
	RollbackEqual   bool           `json:"after_rollback_equals_before"`
	Streams         int            `json:"streams"`
	StreamAnswers   map[string]int `json:"stream_answers"` // streamed answers of each version
	Failed          int            `json:"failed"`
	Mixed           int            `json:"mixed_versions"`
	SwapMS          float64        `json:"swap_ms"` // of the rollback, from request to serving
	NightSeconds    float64        `json:"night_seconds"`
	Night           string         `json:"night"`
	Gate            string         `json:"gate"` // pass or reject
	Memory          Memory         `json:"memory"`
	Seconds         float64        `json:"seconds"`
	Failures        []string       `json:"failures,omitempty"` // what a user of the demo should not see
}

// Run walks through the loop.
func Run(ctx context.Context, opt Options) (Result, error) {
	begin := time.Now()
	server, err := start(ctx, opt)
	if err != nil {
		return Result{}, err
	}
	w := &walk{client: server.client, opt: opt}
	watching, enough := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); w.result.Memory.watch(watching, server.cmd.Process.Pid) }()
	err = w.run(ctx)
	enough()
	<-watched
	if stopped := server.stop(); err == nil {
		err = stopped
	}
	w.result.Seconds = time.Since(begin).Seconds()
	if err != nil {
		return w.result, fmt.Errorf("%w (the server's log is %s)", err, server.log)
	}
	w.judge()
	return w.result, nil
}

// walk is a walkthrough in progress.
type walk struct {
	*client
	opt    Options
	result Result
}

func (w *walk) say(format string, args ...any) {
	fmt.Fprintf(w.opt.Out, format+"\n", args...) //nolint:errcheck // people's output
}

// run is the story.
func (w *walk) run(ctx context.Context) error {
	r := &w.result
	changed, unchanged := demo.Exams(demo.Changes())
	all := append(append([]demo.Question{}, changed...), unchanged...)
	r.ChangedAsked, r.UnchangedAsked, r.Streams = len(changed), len(unchanged), w.opt.Streams

	w.say("1. asking %d questions about %d facts …", len(all), len(all)/9)
	before, err := w.askAll(ctx, "default", all)
	if err != nil {
		return err
	}
	r.ChangedBefore, r.UnchangedBefore = right(changed, before[:len(changed)]), right(unchanged, before[len(changed):])

	w.say("2. eight facts change; customers correct the answers …")
	if r.Corrections, r.Approvals, err = w.teach(ctx, customers{people: 24, corrections: 8, approvals: 4, seed: 1}); err != nil {
		return err
	}
	w.say("   %d corrections, %d approvals", r.Corrections, r.Approvals)

	streams := startTraffic(ctx, w.client, changed, w.opt.Streams)
	err = w.night(ctx)
	var after []Answer
	if err == nil {
		w.say("4. asking again …")
		after, err = w.askAll(ctx, "default", all)
	}
	if err != nil {
		streams.end()
		return err
	}
	r.ChangedAfter, r.UnchangedAfter = right(changed, after[:len(changed)]), right(unchanged, after[len(changed):])

	for _, line := range append(wrong(changed, after[:len(changed)]), wrong(unchanged, after[len(changed):])...) {
		w.say("   wrong  %s", line)
	}

	w.say("5. rolling back …")
	var activated wire.Activated
	if err = w.call(ctx, http.MethodPost, "/v1/tracks/default/rollback", wire.TrackRequest{Reason: "demo"}, &activated); err != nil {
		streams.end()
		return err
	}
	r.SwapMS = activated.SwapMS
	restored, err := w.askAll(ctx, "default", all)
	streams.end()
	if err != nil {
		return err
	}
	r.RollbackEqual = sameTexts(before, restored)
	r.Failed, r.Failures = len(streams.failed), streams.failed
	w.say("6. comparing %d streamed answers with what each version says alone …", len(streams.answers))
	r.Mixed, r.StreamAnswers, err = streams.mixed(ctx)
	return err
}

// night asks for a night and follows it to its end.
func (w *walk) night(ctx context.Context) error {
	begin := time.Now()
	var queued wire.NightQueued
	if err := w.call(ctx, http.MethodPost, "/v1/nights", wire.NightRequest{Track: "default"}, &queued); err != nil {
		return err
	}
	w.result.Night = queued.ID
	w.say("3. night %s …", queued.ID)
	resp, err := w.send(ctx, http.MethodGet, "/v1/nights/"+queued.ID+"/events", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	var record nightrecord.Night
	if err := w.follow(resp.Body, &record); err != nil {
		return fmt.Errorf("follow night %s: %w", queued.ID, err)
	}
	w.result.NightSeconds = time.Since(begin).Seconds()
	w.result.Gate = "reject"
	if record.Verdict != nil {
		for _, c := range record.Verdict.Checks {
			mark := "pass"
			if !c.Pass {
				mark = "FAIL"
			}
			w.say("   %s  %-9s  %s", mark, c.Name, c.Detail)
		}
		if record.Verdict.Pass {
			w.result.Gate = "pass"
		}
	}
	if record.State != nightrecord.Published {
		return fmt.Errorf("night %s ended as %s: %s", queued.ID, record.State, record.Reason)
	}
	if record.Candidate == nil {
		return fmt.Errorf("night %s was published without a candidate", queued.ID)
	}
	return w.waitServing(ctx, record.Candidate.Version)
}

// follow shows a night's events until it is done.
func (w *walk) follow(body io.Reader, into *nightrecord.Night) error {
	tenth := -1
	for e, err := range wire.Events(body) {
		switch {
		case err != nil:
			return fmt.Errorf("its events ended without a result: %w", err)
		case e.Name == wire.NightProgress:
			var p nightrecord.Progress
			if json.Unmarshal([]byte(e.Data), &p) == nil && p.Steps > 0 && p.Phase == "train" && 10*p.Step/p.Steps != tenth {
				tenth = 10 * p.Step / p.Steps
				w.say("   training: step %d of %d, loss %.3f, %.0f s left", p.Step, p.Steps, p.Loss, p.ETA)
			}
		case e.Name == wire.NightState:
			var s wire.StateEvent
			if json.Unmarshal([]byte(e.Data), &s) == nil {
				w.say("   %s", s.State)
			}
		case e.Name == wire.NightDone:
			if err := json.Unmarshal([]byte(e.Data), into); err != nil {
				return fmt.Errorf("read night: %w", err)
			}
			return nil
		}
	}
	return errors.New("its events ended without a result")
}

// waitServing waits until the server has swapped a version in: publishing and serving are two steps.
func (w *walk) waitServing(ctx context.Context, version int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var track wire.Track
		if err := w.call(ctx, http.MethodGet, "/v1/tracks/default", nil, &track); err != nil {
			return err
		}
		if v := track.Champion.Version; v != nil && *v == version {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// judge notes what falls short of what the demo promises.
func (w *walk) judge() {
	r := &w.result
	miss := func(bad bool, text string) {
		if bad {
			r.Failures = append(r.Failures, text)
		}
	}
	miss(r.ChangedBefore > 0, "a changed fact was right before anybody taught it")
	miss(r.ChangedAfter < 0.9, "fewer than 90 % of the changed facts are right after the night")
	miss(r.UnchangedBefore < 0.95, "fewer than 95 % of the unchanged facts were right before the night")
	miss(r.UnchangedAfter < r.UnchangedBefore-0.02, "the night lost more than 2 points of the unchanged facts")
	miss(!r.RollbackEqual, "the rollback did not restore the old answers")
	miss(r.Mixed > 0, "some answers mix two versions")
	miss(len(r.StreamAnswers) < 2, "no stream saw the new version: the swap happened without traffic")
}

// server is the running program.
type server struct {
	client *client
	cmd    *exec.Cmd
	exited <-chan error
	log    string
}

// start runs the server on a free loopback port and waits until it is ready.
func start(ctx context.Context, opt Options) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(opt.Dir, "demo.yaml")
	if err := os.WriteFile(config, configuration, 0o644); err != nil {
		return nil, err
	}
	s := &server{log: filepath.Join(opt.Dir, "server.log")}
	logFile, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer logFile.Close() //nolint:errcheck // the server has its own handle
	address := fmt.Sprintf("127.0.0.1:%d", port)
	args := append(append([]string{}, opt.Command[1:]...), "run", "--config", config, "--data", filepath.Join(opt.Dir, "data"), "--listen", address)
	s.cmd = exec.Command(opt.Command[0], args...) //nolint:gosec // our own program
	s.cmd.Stdout, s.cmd.Stderr = logFile, logFile
	if s.exited, err = process.Start(s.cmd); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s.client = &client{base: "http://" + address, http: &http.Client{}}
	if err := s.client.waitReady(ctx, s.exited); err != nil {
		return nil, errors.Join(fmt.Errorf("start the server: %w (its log is %s)", err, s.log), s.stop())
	}
	return s, nil
}

// stop ends the server as an operator would, and by force if it does not end.
func (s *server) stop() error {
	if s.cmd.ProcessState != nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case err := <-s.exited:
		if err != nil {
			return fmt.Errorf("stop the server: %w", err)
		}
		return nil
	case <-time.After(20 * time.Second):
		return errors.Join(errors.New("stop the server: it did not end within 20 s and was killed"), s.cmd.Process.Kill())
	}
}

// freePort asks the system for a port that nobody uses.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close() //nolint:errcheck // nothing was sent
	return l.Addr().(*net.TCPAddr).Port, nil
}
