package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/redact"
	"nightshift/internal/registry"
	"nightshift/internal/telemetry"
	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/demo"
	"nightshift/models/tokenizer"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/replaystore/redisstore"
	"nightshift/serve"
	"nightshift/serve/api"
	"nightshift/serve/api/wire"
)

// modelContext is the context of the tiny model, in tokens.
const modelContext = 256

// model makes a tiny random checkpoint with a tokenizer and the shop's chat template, once for all tests.
var model = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nightshift-serve-")
	if err != nil {
		return "", err
	}
	vocabulary, err := tokenizer.Train([]string{strings.Repeat("the quick brown fox jumps over the lazy dog and asks: how long may I return a tent? ", 20)}, 320, demo.Specials())
	if err != nil {
		return "", err
	}
	cfg := arch.GPT2(arch.Shape{Layers: 2, Heads: 2, Width: 32, Context: modelContext, Vocab: vocabulary.Size(), Inner: 64, Activation: "gelu_new",
		Epsilon: 1e-5, ScaleAttn: true, TiedHead: true, EOS: vocabulary.Size() - len(demo.Specials()), BOS: vocabulary.Size() - len(demo.Specials())})
	return dir, errors.Join(vocabulary.Write(dir), checkpoint.Write(dir, cfg, checkpoint.Random(cfg, 7)),
		os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(demo.ChatTemplate), 0o600))
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := model(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// house is a running server with everything it stands on.
type house struct {
	t        *testing.T
	url      string
	addr     string
	engine   *engine.Engine
	registry *registry.Registry
	store    replaystore.Store
	dir      string
	metrics  *telemetry.Metrics
	stop     func() error // shuts the server down and returns what Run said
}

// options change a house before it is opened.
type options struct {
	cfg    func(*serve.Config)
	engine engine.Config
	dir    string
	redis  string       // address of the store; "" is a local one
	before func(*house) // before the server runs
	plan   serve.Plan
	log    io.Writer
}

// open starts a server on a free port.
func open(t *testing.T, o options) *house {
	t.Helper()
	ort.ForTest(t)
	dir, err := model()
	must(t, err)
	m, err := engine.LoadModel(dir, "")
	must(t, err)
	if o.engine.Slots == 0 {
		o.engine.Slots = 8
	}
	o.engine.Threads = 1
	if o.engine.Modules == nil {
		o.engine.Modules = []string{"mlp.c_fc", "mlp.c_proj"}
	}
	e, err := engine.New(m, o.engine)
	must(t, err)
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	if o.log == nil {
		o.log = io.Discard
	}
	log := slog.New(slog.NewTextHandler(o.log, nil))
	reg, err := registry.Open(filepath.Join(o.dir, "registry"), serve.Verify(m))
	must(t, err)
	store := openStore(t, o, log)
	secret, err := replaystore.LoadSecret(filepath.Join(o.dir, "store", "secret"), nil)
	must(t, err)
	redactor, err := redact.New(redact.Config{})
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	cfg := serve.Config{Updater: "in-process", ModelName: "tiny", Poll: 20 * time.Millisecond}
	cfg.API.Drain = 5 * time.Second
	cfg.API.SocketPoll = 5 * time.Millisecond
	if o.cfg != nil {
		o.cfg(&cfg)
	}
	metrics := telemetry.New()
	s, err := serve.New(cfg, serve.Deps{Engine: e, Registry: reg, Store: store, Secret: secret, Redactor: redactor, Metrics: metrics, Log: log, Listener: listener, Plan: o.plan})
	must(t, err)
	h := &house{t: t, addr: listener.Addr().String(), url: "http://" + listener.Addr().String(), engine: e, registry: reg, store: store, dir: o.dir, metrics: metrics}
	if o.before != nil {
		o.before(h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	h.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		e.Close()
		return errors.Join(err, store.Close())
	})
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := h.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	h.await("the server is ready", func() bool { return h.get("/readyz").status == 200 })
	return h
}

// openStore opens the replay store of a house.
func openStore(t *testing.T, o options, log *slog.Logger) replaystore.Store {
	t.Helper()
	dir := filepath.Join(o.dir, "store")
	if o.redis == "" {
		store, err := localstore.Open(localstore.Config{Dir: dir, Log: log})
		must(t, err)
		return store
	}
	store, err := redisstore.Open(context.Background(), redisstore.Config{Addrs: []string{o.redis}, Dir: dir, Log: log})
	must(t, err)
	return store
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hang is longer than anything takes that ends at all, on a busy machine too.
const hang = 10 * time.Minute

// await waits until something has come true.
func (h *house) await(what string, ok func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(hang)
	for tick := time.NewTicker(5 * time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			h.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// reply is an HTTP answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// json decodes the body.
func (r reply) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("body %q: %v", r.body, err)
	}
	return v
}

// code is the error code of a problem, and its parameter.
func (r reply) problem(t testing.TB) (code, param, message string) {
	t.Helper()
	var v struct {
		Error struct {
			Message, Type string
			Param, Code   *string
		}
		Status int
	}
	if err := json.Unmarshal(r.body, &v); err != nil || v.Error.Message == "" || v.Error.Type == "" || v.Status != r.status {
		t.Fatalf("status %d with body %q is no problem: %v", r.status, r.body, err)
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("a problem with Content-Type %q", got)
	}
	if v.Error.Code != nil {
		code = *v.Error.Code
	}
	if v.Error.Param != nil {
		param = *v.Error.Param
	}
	return code, param, v.Error.Message
}

// do sends a request; headers come in pairs.
func (h *house) do(method, path, body string, headers ...string) reply {
	h.t.Helper()
	req, err := http.NewRequest(method, h.url+path, strings.NewReader(body))
	must(h.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	must(h.t, err)
	defer res.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(res.Body)
	must(h.t, err)
	return reply{res.StatusCode, res.Header, data}
}

func (h *house) get(path string, headers ...string) reply {
	h.t.Helper()
	return h.do("GET", path, "", headers...)
}

func (h *house) post(path, body string, headers ...string) reply {
	h.t.Helper()
	return h.do("POST", path, body, headers...)
}

// origin is the nightshift object of an answer.
type origin struct {
	Interaction   string `json:"interaction"`
	Track         string `json:"track"`
	Version       *int   `json:"version"`
	Digest        string `json:"digest"`
	FeedbackToken string `json:"feedback_token"`
	Logged        bool   `json:"logged"`
}

// answer is a chat completion, whole or put together from its chunks.
type answer struct {
	Model   string
	Choices []struct {
		Message struct{ Role, Content string }
		Delta   struct{ Content string }
		Text    string
		Finish  string `json:"finish_reason"`
	}
	Usage       *struct{ Prompt, Completion, Total int }
	Fingerprint string `json:"system_fingerprint"`
	Nightshift  *origin
}

func (a answer) text() string { return a.Choices[0].Message.Content + a.Choices[0].Text }

// ask asks a model and wants an answer.
func (h *house) ask(model, question string, headers ...string) answer {
	h.t.Helper()
	body, err := json.Marshal(map[string]any{"model": model, "temperature": 0, "max_tokens": 8,
		"messages": []map[string]string{{"role": "user", "content": question}}})
	must(h.t, err)
	r := h.post("/v1/chat/completions", string(body), headers...)
	if r.status != 200 {
		h.t.Fatalf("ask %s: status %d, %s", model, r.status, r.body)
	}
	var a answer
	must(h.t, json.Unmarshal(r.body, &a))
	return a
}

// interaction reads a record that must be there.
func (h *house) interaction(track, id string) replaystore.Interaction {
	h.t.Helper()
	i, ok, err := h.store.Interaction(context.Background(), track, id)
	must(h.t, err)
	if !ok {
		h.t.Fatalf("interaction %s is not in the store", id)
	}
	return i
}

// event is one server-sent event.
type event struct{ name, data string }

// events reads a stream to its end.
func events(r io.Reader) []event {
	var list []event
	for e, err := range wire.Events(r) {
		if err != nil { // a stream that breaks ends there
			break
		}
		list = append(list, event{e.Name, e.Data})
	}
	return list
}

// put makes a version whose factors are large enough to change every answer, and stores it.
func (h *house) put(track string, seed uint64, change func(*registry.Manifest)) registry.Ref {
	h.t.Helper()
	cfg := h.engine.Model().Config
	a, err := adapter.New(adapter.Config{Rank: 4, Alpha: 8, Modules: []string{"mlp.c_fc", "mlp.c_proj"}},
		arch.GPT2(arch.Shape{Layers: cfg.Layers, Width: cfg.Width, Inner: 64}), seed)
	must(h.t, err)
	for _, f := range a.Factors {
		for i := range f.B {
			f.B[i] = float32(math.Sin(float64(i)*0.7+float64(seed))) * 0.6
		}
	}
	config, weights, err := a.Files()
	must(h.t, err)
	v := registry.Version{Config: config, Weights: weights, Manifest: registry.Manifest{BaseDigest: h.engine.Model().Checkpoint.Digest()}}
	if change != nil {
		change(&v.Manifest)
	}
	ref, err := h.registry.Put(context.Background(), track, v)
	must(h.t, err)
	return ref
}

// key is a configured API key.
func key(name string, tracks []string, roles ...string) api.Key {
	return api.Key{Name: name, Hash: api.Hash("key-of-" + name), Roles: roles, Tracks: tracks}
}

// bearer is the header of a key.
func bearer(name string) []string { return []string{"Authorization", "Bearer key-of-" + name} }
