package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/telemetry"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// house is a running API whose every part is a fake.
type house struct {
	t         *testing.T
	url       string
	server    *Server
	generator fakeGenerator
	versions  fakeVersions
	recorder  fakeRecorder
	admin     fakeAdmin
	latencies atomic.Int64
	stop      func()
}

// open starts the API; change may be nil.
func open(t *testing.T, change func(*Config)) *house {
	t.Helper()
	m, err := textModel()
	must(t, err)
	h := &house{t: t, generator: fakeGenerator{says: []string{"Hello", " <there>."}, ends: engine.Result{Finish: engine.FinishStop, Recalled: 2}}}
	h.recorder.interactions = map[string]replaystore.Interaction{}
	cfg := Config{Secret: []byte("a secret of 16 bytes, or more"), Defaults: Defaults{MaxTokens: 20, Limit: 50, Temperature: 1}}
	if change != nil {
		change(&cfg)
	}
	h.server, err = New(cfg, Deps{Model: m, Generator: &h.generator, Versions: &h.versions, Recorder: &h.recorder, Admin: &h.admin,
		InterToken: func(time.Duration) { h.latencies.Add(1) }, Metrics: telemetry.New(), Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.server.Serve(ctx, l) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(h.stop)
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reply is an HTTP answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// begin sends a request; headers come in pairs. The reader closes the body.
func (h *house) begin(method, path, body string, headers ...string) *http.Response {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, bytes.NewReader([]byte(body)))
	must(h.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	must(h.t, err)
	return res
}

// do is begin, read to its end.
func (h *house) do(method, path, body string, headers ...string) reply {
	h.t.Helper()
	res := h.begin(method, path, body, headers...)
	defer res.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(res.Body)
	must(h.t, err)
	return reply{res.StatusCode, res.Header, string(data)}
}

func (h *house) post(path, body string, headers ...string) reply {
	h.t.Helper()
	return h.do("POST", path, body, headers...)
}

// refused wants a problem with a status and a code, and returns its error.
func (r reply) refused(t testing.TB, status int, code string) wire.Error {
	t.Helper()
	var p wire.Problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || p.Status != r.status || p.Detail != p.Error.Message || p.Error.Message == "" || p.Error.Type == "" {
		t.Fatalf("status %d with %q is no problem: %v", r.status, r.body, err)
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("a problem with Content-Type %q", got)
	}
	if r.status != status || p.Error.Code == nil || *p.Error.Code != code {
		t.Errorf("status %d, %s; want %d, %s", r.status, r.body, status, code)
	}
	return p.Error
}

// into decodes an answer of a status.
func into[T any](t testing.TB, r reply, status int) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil || r.status != status {
		t.Fatalf("status %d, %s: %v", r.status, r.body, err)
	}
	return v
}

// created is when an answer was made, and token what rates it.
var (
	created = regexp.MustCompile(`"(created|created_at|completed_at)":\d+`)
	token   = regexp.MustCompile(`"feedback_token":"[^"]*"`)
)

// steady replaces what differs from one answer to the next: its id, its time and its feedback token.
func steady(text, id string) string {
	text = created.ReplaceAllString(strings.ReplaceAll(text, id, "ID"), `"$1":0`)
	return token.ReplaceAllString(text, `"feedback_token":"TOKEN"`)
}

// apiKey is a configured key, and bearer its header.
func apiKey(name string, tracks []string, roles ...string) Key {
	return Key{Name: name, Hash: Hash("key-of-" + name), Roles: roles, Tracks: tracks}
}

func bearer(name string) []string { return []string{"Authorization", "Bearer key-of-" + name} }
