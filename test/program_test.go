// Package test runs the real programs, as people and scripts do: the model that ships, real files, real Redis, real Chromium. What
// its tests know of the programs is their command lines, the API and the files they leave.
package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nightshift/internal/process"
	"nightshift/onnx/ort"
)

// executable is the program under test, laboratory the one that measures and tries it.
var executable, laboratory string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nightshift-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	executable, laboratory = filepath.Join(dir, "nightshift"), filepath.Join(dir, "nightlab")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", dir, "nightshift/cmd/nightshift", "nightshift/cmd/nightlab").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// environment is that of a person who has configured nothing; only where downloads lie is kept.
func environment(extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "NIGHTSHIFT_") || name == "NIGHTSHIFT_CACHE" || name == ort.EnvLibrary {
			env = append(env, kv)
		}
	}
	return append(env, extra...)
}

// hang is longer than anything takes that ends at all, on a busy machine too.
const hang = 30 * time.Minute

// deadline ends with the test, or after a limit that no healthy test reaches.
func deadline(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), limit)
	t.Cleanup(stop)
	return ctx
}

// needRuntime skips a test where ONNX Runtime cannot be had.
func needRuntime(t *testing.T) {
	t.Helper()
	ort.ForTest(t)
}

// slow skips a test in which a night runs, where few seconds are wanted.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("nights take many seconds: run the tests without -short")
	}
}

// ended is what a command left behind.
type ended struct {
	code     int
	out, err string
}

// execute runs the program to its end. It fails the test when the program panics, whatever else is asked of it.
//
// The word nightlab before the arguments stands for the laboratory.
func execute(t *testing.T, args ...string) ended {
	t.Helper()
	return executeIn(t, t.TempDir(), nil, args...)
}

func executeIn(t *testing.T, dir string, env []string, args ...string) ended {
	t.Helper()
	ctx := deadline(t, hang)
	program, rest := executable, args
	if args[0] == "nightlab" {
		program, rest = laboratory, args[1:]
	}
	cmd := exec.CommandContext(ctx, program, rest...)
	cmd.Dir, cmd.Env = dir, environment(env...)
	cmd.WaitDelay = 10 * time.Second
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	waited, failure := process.Start(cmd)
	if failure == nil {
		failure = <-waited
	}
	if ctx.Err() != nil {
		t.Fatalf("nightshift %s: not done after %v\n%s%s", strings.Join(args, " "), hang, out.String(), err.String())
	}
	var status *exec.ExitError
	if failure != nil && !errors.As(failure, &status) {
		t.Fatalf("nightshift %s: %v", strings.Join(args, " "), failure)
	}
	calm(t, err.String())
	return ended{cmd.ProcessState.ExitCode(), out.String(), err.String()}
}

// calm fails the test when a log shows that the program fell over.
func calm(t *testing.T, log string) {
	t.Helper()
	for _, sign := range []string{"panic:", "goroutine 1", "fatal error:", "SIGSEGV", "DATA RACE"} {
		if strings.Contains(log, sign) {
			t.Errorf("the program fell over (%s):\n%s", sign, log)
			return
		}
	}
}

// refused runs a command that must fail with status 1 and one line on standard error that holds all the words.
func refused(t *testing.T, args []string, words ...string) {
	t.Helper()
	got := execute(t, args...)
	line := strings.TrimSuffix(got.err, "\n")
	if got.code != 1 || strings.Contains(line, "\n") {
		t.Errorf("nightshift %s: status %d, want 1 and one line:\n%s", strings.Join(args, " "), got.code, got.err)
	}
	holds(t, "nightshift "+strings.Join(args, " "), line, words...)
}

// holds reports the words that a text lacks.
func holds(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is not in\n%s", what, w, text)
		}
	}
}

// program is the program as a running process: a server or an updater.
type program struct {
	*api
	cmd    *exec.Cmd
	begin  time.Time
	exited chan struct{} // closed when it has ended

	log    string // file
	waited error
}

// launch starts the program without waiting for anything. It is stopped at the end of the test at the latest.
func launch(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{exited: make(chan struct{}), log: filepath.Join(t.TempDir(), "log")}
	file, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p.cmd = exec.Command(executable, args...)
	p.cmd.Dir, p.cmd.Env = t.TempDir(), environment()
	p.cmd.Stdout, p.cmd.Stderr = file, file
	p.begin = time.Now()
	waited, err := process.Start(p.cmd)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process, which the cleanup below ends
		p.waited = <-waited
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		log := p.said(t)
		calm(t, log)
		if t.Failed() {
			t.Logf("log of %s:\n%s", strings.Join(args, " "), tail(log, 4000))
		}
	})
	return p
}

// serverOf starts a server on a free loopback port and waits until it is ready.
func serverOf(t *testing.T, command string, args ...string) *program {
	t.Helper()
	address := freeAddress(t)
	p := launch(t, append([]string{command, "--listen", address}, args...)...)
	p.api = &api{t: t, base: "http://" + address}
	p.awaitReady(t)
	return p
}

func (p *program) awaitReady(t *testing.T) {
	t.Helper()
	await(t, "the server is ready", func() bool {
		select {
		case <-p.exited:
			t.Fatalf("the server ended before it was ready:\n%s", p.said(t))
		default:
		}
		resp, err := http.Get(p.base + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// said is what the program has written so far.
func (p *program) said(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// stop ends the program as an operator would and returns its exit status.
func (p *program) stop(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(hang):
		t.Fatalf("the program did not end within %v of SIGTERM", hang)
	}
	return p.cmd.ProcessState.ExitCode()
}

// kill ends the program as a power cut would.
func (p *program) kill() {
	p.cmd.Process.Kill() // an error is that it has ended
	<-p.exited
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await looks every few milliseconds until something holds, and fails the test when it does not within a limit.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	end := time.NewTimer(hang)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-end.C:
			t.Fatalf("not within %v: %s", hang, what)
		case <-tick.C:
		}
	}
}

func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "…" + s[len(s)-n:]
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// api calls one server.
type api struct {
	t    *testing.T
	base string
}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// into decodes the body.
func (r reply) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("decode %s: %v", r.body, err)
	}
}

// try sends a request; body is nil, a string that is sent as it is, or a value that is sent as JSON.
func (a *api) try(ctx context.Context, method, path string, body any) (reply, error) {
	reader, err := jsonReader(body)
	if err != nil {
		return reply{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, reader)
	if err != nil {
		return reply{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, data}, err
}

// jsonReader reads a request's body.
func jsonReader(body any) (io.Reader, error) {
	switch b := body.(type) {
	case nil:
		return http.NoBody, nil
	case string:
		return strings.NewReader(b), nil
	}
	data, err := json.Marshal(body)
	return bytes.NewReader(data), err
}

// call sends a request that must come to the status.
func (a *api) call(method, path string, body any, status int) reply {
	a.t.Helper()
	ctx, stop := context.WithTimeout(a.t.Context(), hang)
	defer stop()
	r, err := a.try(ctx, method, path, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	if r.status != status {
		a.t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, status, r.body)
	}
	return r
}

// answered is what the tests read of a completion.
type answered struct {
	Model   string `json:"model"`
	Choices []struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
		Finish string `json:"finish_reason"`
	} `json:"choices"`
	About struct {
		Interaction string `json:"interaction"`
		Token       string `json:"feedback_token"`
		Logged      bool   `json:"logged"`
	} `json:"nightshift"`
}

func (a answered) text() string { return a.Choices[0].Message.Content }

// question is a request for one greedy answer.
func question(user, text string) map[string]any {
	m := map[string]any{"model": "default", "messages": []map[string]string{{"role": "user", "content": text}}, "temperature": 0, "max_tokens": 64}
	if user != "" {
		m["user"] = user
	}
	return m
}

// ask gets one answer.
func (a *api) ask(user, text string) answered {
	a.t.Helper()
	var got answered
	a.call(http.MethodPost, "/v1/chat/completions", question(user, text), http.StatusOK).into(a.t, &got)
	if len(got.Choices) != 1 {
		a.t.Fatalf("answer %+v", got)
	}
	return got
}

// champion is what a server says it serves for the default track.
type champion struct {
	Version    *int   `json:"version"`
	Digest     string `json:"digest"`
	Activation int    `json:"activation"`
	Hold       any    `json:"hold"`
}

func (a *api) champion() champion {
	a.t.Helper()
	var got struct {
		Champion champion `json:"champion"`
	}
	a.call(http.MethodGet, "/v1/tracks/default", nil, http.StatusOK).into(a.t, &got)
	return got.Champion
}

// errorsOf collects the failures of goroutines.
type errorsOf struct {
	mu   sync.Mutex
	list []error
}

func (e *errorsOf) add(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, err)
}
