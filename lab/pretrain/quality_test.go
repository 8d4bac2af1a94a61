package pretrain_test

import (
	"context"
	"testing"

	"nightshift/internal/engine"
	"nightshift/lab/pretrain"
	"nightshift/models/demo"
	"nightshift/onnx/ort"
)

// TestShippedModelKnowsTheShop asks the model that ships questions that its corpus does not hold.
func TestShippedModelKnowsTheShop(t *testing.T) {
	ort.ForTest(t)
	cache := t.TempDir()
	dir, err := demo.Dir(cache)
	if err != nil {
		t.Fatal(err)
	}
	model, err := engine.LoadModel(dir, cache)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(model, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() { stop(); <-done; e.Close() }()
	for _, group := range []demo.Group{demo.Heldout, demo.Correction, demo.Demo} {
		q, err := pretrain.Evaluate(ctx, e, group)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.2f %% of %d right, %.1f %% of %d foreign questions refused", group, 100*q.Facts, q.Asked, 100*q.Refusals, q.Foreign)
		if q.Facts < 0.95 {
			t.Errorf("%s: only %.2f %% of %d questions were answered with the right fact, want 95 %%: %q", group, 100*q.Facts, q.Asked, q.Examples)
		}
		if q.Foreign > 0 && q.Refusals < 0.9 {
			t.Errorf("%s: only %.1f %% of %d foreign questions were refused, want 90 %%", group, 100*q.Refusals, q.Foreign)
		}
	}
}
