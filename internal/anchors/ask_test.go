package anchors

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"nightshift/internal/engine"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/demo"
	"nightshift/models/tokenizer"
	"nightshift/onnx/ort"
)

// shippedModel is the model that ships, which has a chat template.
func shippedModel(t *testing.T) *engine.Model {
	t.Helper()
	ort.ForTest(t)
	dir, err := demo.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.LoadModel(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAsk has the model that ships answer a few questions: in their order, the same each time, with progress.
func TestAsk(t *testing.T) {
	m := shippedModel(t)
	questions := append(Shipped()[:6:6], Question{Messages: Shipped()[0].Messages[:0]})
	questions[6].Messages = append(questions[6].Messages, Shipped()[0].Messages[0])
	questions[6].Messages[0].Content = strings.Repeat("very long ", 400)
	var told []int
	opt := Options{Threads: 2, Progress: func(done, total int) {
		if told = append(told, done); total != len(questions) {
			t.Errorf("%d of %d", done, total)
		}
	}}
	answers, err := Ask(t.Context(), m, questions, opt)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(told, []int{1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("progress %v", told)
	}
	for i, a := range answers[:6] {
		t.Logf("%s %+v", questions[i].Messages[0].Content, a)
		if !reflect.DeepEqual(a.Messages, questions[i].Messages) || (a.Completion == "") != (a.Left != "") {
			t.Errorf("answer %d is %+v", i, a)
		}
	}
	if answers[0].Completion == "" || answers[0].Open || answers[6].Left != Unasked {
		t.Errorf("the answers are %+v", answers)
	}
	data, err := EncodeAnswers(answers)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Ask(t.Context(), m, questions[:3], Options{Threads: 1})
	if read, err2 := DecodeAnswers(data); err != nil || err2 != nil || !reflect.DeepEqual(again, read[:3]) {
		t.Errorf("asked again: %+v, %v, %v", again, err, err2)
	}
	ctx, stop := context.WithCancel(t.Context())
	opt.Progress = func(int, int) { stop() }
	if _, err := Ask(ctx, m, Shipped(), opt); !errors.Is(err, context.Canceled) {
		t.Errorf("asked to stop: %v", err)
	}
}

// TestAskRaw asks a random model without a chat template: it gets raw prompts, and what it says in circles is left out.
func TestAskRaw(t *testing.T) {
	ort.ForTest(t)
	dir := t.TempDir()
	v, err := tokenizer.Train([]string{"what is a tent", "it costs forty"}, 262, []string{"<|endoftext|>"})
	if err == nil {
		err = v.Write(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg := arch.GPT2(arch.Shape{Layers: 1, Heads: 2, Width: 16, Context: 128, Vocab: tok.Size(), Inner: 32, Activation: "gelu_new", Epsilon: 1e-5,
		ScaleAttn: true, TiedHead: true, EOS: int(tok.EOS()), BOS: int(tok.EOS())})
	if err := checkpoint.Write(dir, cfg, checkpoint.Random(cfg, 3)); err != nil {
		t.Fatal(err)
	}
	m, err := engine.LoadModel(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	answers, err := Ask(t.Context(), m, Shipped()[:8], Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if len(a.Messages) != 1 || a.Messages[0].Role != "prompt" || a.Messages[0].Content != Shipped()[i].Messages[0].Content+"\n" || a.Left == "" {
			t.Errorf("answer %d is %+v", i, a)
		}
	}
	p := Place{Model: dir, Base: m.Checkpoint.Digest()}
	var few *TooFewError
	if _, err := p.Make(t.Context(), m, Options{Threads: 1}); !errors.As(err, &few) {
		t.Errorf("a random model: %v", err)
	}
}
