package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nightshift/internal/sampling"
	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/tokenizer"
	"nightshift/onnx/ort"
)

// fixtures is the folder of the models that the tests share.
var fixtures string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "engine-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fixtures = dir
	slog.SetDefault(slog.New(slog.DiscardHandler)) // panics and broken versions are part of the tests
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var corpus = []string{
	"the tent is waterproof and the tent is light; the rope is sixty metres long",
	"die Rücknahmefrist beträgt dreißig Tage, die Rücknahme ist kostenlos",
	"防水テントは軽いです。防水テントは軽いです。🏕️🏕️🏕️ naïve café naïve café",
}

// writeModel writes a checkpoint with random weights, eight times as large as GPT-2's at the start of training, so that
// answers vary, and a tokenizer.
func writeModel(dir string, cfg arch.Shape) error {
	v, err := tokenizer.Train(corpus, 320, []string{"<|endoftext|>", "<|user|>", "<|assistant|>"})
	if err != nil {
		return err
	}
	if cfg.Vocab == 0 {
		cfg.Vocab = v.Size()
	}
	cfg.Epsilon, cfg.ScaleAttn, cfg.EOS, cfg.BOS = 1e-5, true, v.Size()-3, -1
	weights := checkpoint.Random(cfg, 11)
	for _, tensor := range cfg.Tensors() {
		if tensor.Start == arch.Ones {
			continue
		}
		for i := range weights[tensor.Name] {
			weights[tensor.Name][i] *= 8
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := checkpoint.Write(dir, cfg, weights); err != nil {
		return err
	}
	return v.Write(dir)
}

// loadOnce returns a function that writes and loads a model the first time it is called. One with a vocabulary of its own is loaded
// without its tokenizer, which would trim it.
func loadOnce(name string, cfg arch.Shape) func(testing.TB) *Model {
	load := sync.OnceValues(func() (*Model, error) {
		dir := filepath.Join(fixtures, name)
		if err := writeModel(dir, cfg); err != nil {
			return nil, err
		}
		if cfg.Vocab == 0 {
			return LoadModel(dir, "")
		}
		c, err := checkpoint.Open(dir, filepath.Join(fixtures, "cache"))
		if err != nil {
			return nil, err
		}
		return &Model{Checkpoint: c, Config: c.Shape()}, nil
	})
	return func(t testing.TB) *Model {
		t.Helper()
		ort.ForTest(t)
		m, err := load()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

// smallModel has a context of 300; wideModel has matrices that the runtime splits over threads, and no tokenizer. The two of the Llama
// family share keys and values among heads; one has all that Llama, Mistral and Qwen add to each other in settings.
var (
	llamaModel = loadOnce("llama", arch.Llama(arch.Shape{Layers: 2, Heads: 4, KVHeads: 2, Width: 256, Context: 300, Vocab: 1999, Inner: 768, TiedHead: true}))
	qwenModel  = loadOnce("qwen", arch.Llama(arch.Shape{Model: "qwen3", Layers: 2, Heads: 2, KVHeads: 1, HeadSize: 64, Width: 96, Context: 160, Vocab: 997, Inner: 224,
		HeadNorms: true, AttnBias: true, OutBias: true, Window: 24, WindowFrom: 1}))
	smallModel = loadOnce("small", arch.GPT2(arch.Shape{Layers: 2, Heads: 2, Width: 32, Context: 300, Inner: 64, Activation: "gelu_new"}))
	wideModel  = loadOnce("wide", arch.GPT2(arch.Shape{Layers: 2, Heads: 4, Width: 256, Context: 160, Vocab: 1999, Inner: 1024, Activation: "gelu_new", TiedHead: true}))
)

// newEngine makes an engine that the test drives by tick.
func newEngine(t testing.TB, m *Model, cfg Config) *Engine {
	t.Helper()
	if cfg.Threads == 0 {
		cfg.Threads = 1
	}
	e, err := New(m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// runEngine makes an engine and runs it until the test ends.
func runEngine(t testing.TB, m *Model, cfg Config) *Engine {
	t.Helper()
	e := newEngine(t, m, cfg)
	start(t, e)
	return e
}

// start runs e until the test ends; what Run returns is checked, unless the test closed the engine first.
func start(t testing.TB, e *Engine) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(context.Background()) }()
	t.Cleanup(func() {
		e.Close()
		if err := <-ended; err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	})
}

// answer is all that a stream delivered.
type answer struct {
	tokens   []int32
	logProbs []float32
	top      [][]sampling.Choice
	text     string
	result   Result
}

// read takes a whole stream, checking what every stream promises.
func read(t testing.TB, s *Stream) answer {
	t.Helper()
	var a answer
	var text strings.Builder
	for p := range s.Pieces {
		if p.Text != strings.ToValidUTF8(p.Text, "") {
			t.Errorf("piece %q is not valid UTF-8", p.Text)
		}
		text.WriteString(p.Text)
		if p.HasToken {
			a.tokens, a.logProbs, a.top = append(a.tokens, p.Token), append(a.logProbs, p.LogProb), append(a.top, p.Top)
		}
	}
	a.text, a.result = text.String(), s.Result()
	if a.result.Tokens != len(a.tokens) && a.result.Err == nil {
		t.Errorf("the result counts %d tokens, the stream brought %d", a.result.Tokens, len(a.tokens))
	}
	return a
}

// pinned pins a version that must be there.
func pinned(t testing.TB, e *Engine, digest string) *Pin {
	t.Helper()
	p, ok := e.Bank().Pin(digest)
	if !ok {
		t.Fatalf("version %q is not in the bank", digest)
	}
	return p
}

// submit queues a request that must be accepted.
func submit(t testing.TB, e *Engine, ctx context.Context, r Request) *Stream {
	t.Helper()
	if r.Pin == nil {
		r.Pin = pinned(t, e, "")
	}
	s, err := e.Submit(ctx, r)
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	return s
}

// ask submits a request and waits for its answer.
func ask(t testing.TB, e *Engine, r Request) answer {
	t.Helper()
	a := read(t, submit(t, e, context.Background(), r))
	if a.result.Err != nil {
		t.Fatalf("answer: %v", a.result.Err)
	}
	return a
}

// inFlight is how many prompts are in flight.
func (e *Engine) inFlight() int { return len(e.scheduler.Prefilling()) }

// drain ticks until there is nothing to do.
func drain(e *Engine) (ticks int) {
	for e.tick() {
		ticks++
	}
	return ticks
}

// randomAdapter adds something that changes answers.
func randomAdapter(t testing.TB, cfg arch.Shape, rank int, seed uint64, modules ...string) *adapter.Adapter {
	t.Helper()
	if len(modules) == 0 {
		modules = cfg.Modules()
	}
	a, err := adapter.New(adapter.Config{Rank: rank, Alpha: 2 * float64(rank), Modules: modules}, cfg, seed)
	if err != nil {
		t.Fatal(err)
	}
	for i, target := range a.Targets() {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		for j := range a.Factors[target].B {
			a.Factors[target].B[j] = float32(rng.NormFloat64()) * 0.1
		}
	}
	return a
}

// randomTokens are n tokens of the vocabulary without its special ones.
func randomTokens(rng *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(rng.IntN(vocab - 3))
	}
	return ids
}

var greedy = sampling.Params{}
