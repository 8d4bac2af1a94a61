package ort

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A library that does not tell its version before it is loaded: the runtime's entry point, without what it should give.
const strange = `
#include <stddef.h>
typedef struct { const void *(*api)(unsigned); const char *(*version)(void); } Base;
static const void *api(unsigned v) { (void)v; return NULL; }
static const char *version(void) { return "1.3.0"; }
static const Base base = { api, version };
const Base *OrtGetApiBase(void) { return &base; }
`

// A failed Open leaves the process able to open the right library. Run in a process of its own: a process opens once.
func TestOpenAfterFailure(t *testing.T) {
	if path := os.Getenv("ORT_TEST_STRANGE"); path != "" {
		real := os.Getenv("ORT_TEST_REAL")
		_, err := Open(t.Context(), FindOptions{Path: path})
		mention(t, err, path, EnvLibrary, RuntimeVersion)
		if _, err := NewTensor([]int64{1}, []float32{1}); err == nil {
			t.Fatal("a tensor without a runtime")
		} else {
			mention(t, err, "call ort.Open first")
		}
		_, err = NewSession(identity, SessionConfig{})
		mention(t, err, "call ort.Open first")
		mention(t, SetLogLevel(LogError), "call ort.Open first")
		if v := Version(); v != "" {
			t.Errorf("version %q of nothing", v)
		}
		library, err := Open(t.Context(), FindOptions{Path: real})
		if err != nil || library.Version != RuntimeVersion {
			t.Fatalf("%+v, %v", library, err)
		}
		return
	}
	real := realLibrary(t)
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("this test needs a C compiler")
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "strange.c"), filepath.Join(dir, "strange.so")
	if err := os.WriteFile(source, []byte(strange), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestOpenAfterFailure$", "-test.v")
	child.Env = append(os.Environ(), "ORT_TEST_STRANGE="+library, "ORT_TEST_REAL="+real)
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v: %s", err, out)
	}
}

// identity is the encoded model y = x over [1].
var identity = func() []byte {
	value := func(name byte) []byte {
		return []byte{0x0a, 1, name, 0x12, 10, 0x0a, 8, 0x08, 1, 0x12, 4, 0x0a, 2, 0x08, 1}
	}
	node := append([]byte{0x0a, 1, 'x', 0x12, 1, 'y', 0x22, 8}, "Identity"...)
	graph := append([]byte{0x0a, byte(len(node))}, node...)
	graph = append(graph, 0x5a, byte(len(value('x'))))
	graph = append(graph, value('x')...)
	graph = append(graph, 0x62, byte(len(value('y'))))
	graph = append(graph, value('y')...)
	model := append([]byte{0x08, 10, 0x3a, byte(len(graph))}, graph...)
	return append(model, 0x42, 2, 0x10, 21)
}()

func TestIdentityModel(t *testing.T) {
	ForTest(t)
	s, err := NewSession(identity, SessionConfig{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// FuzzSignature looks for bytes that crash the reader.
func FuzzSignature(f *testing.F) {
	f.Add(identity)
	f.Add(identity[:len(identity)-5])
	f.Fuzz(func(t *testing.T, model []byte) {
		inputs, outputs, err := signature(model)
		if err != nil {
			return
		}
		if len(outputs) == 0 {
			t.Error("a model without outputs")
		}
		for _, info := range append(inputs, outputs...) {
			if info.Name == "" {
				t.Error("a value without a name")
			}
		}
	})
}
