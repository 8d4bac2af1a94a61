package checkpoint

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

const goldens = "../../onnx/gpt2/testdata"

func golden(name string) string { return filepath.Join(goldens, name, "checkpoint") }

func TestOpensEveryGoldenCheckpoint(t *testing.T) {
	base := arch.Shape{Activation: "gelu_new", Epsilon: 1e-5, ScaleAttn: true, TiedHead: true}
	with := func(change func(*arch.Shape)) arch.Shape {
		c := base
		change(&c)
		return arch.GPT2(c)
	}
	for name, want := range map[string]arch.Shape{
		"plain": with(func(c *arch.Shape) { c.Layers, c.Heads, c.Width, c.Context, c.Vocab, c.Inner = 2, 2, 16, 24, 64, 64 }),
		"half": with(func(c *arch.Shape) {
			c.Layers, c.Heads, c.Width, c.Context, c.Vocab, c.Inner = 1, 2, 32, 32, 80, 48
			c.Activation, c.Epsilon = "gelu", 1e-3
		}),
		"bfloat": with(func(c *arch.Shape) {
			c.Layers, c.Heads, c.Width, c.Context, c.Vocab, c.Inner = 2, 4, 32, 20, 50, 128
			c.Activation, c.ScaleAttn, c.TiedHead = "relu", false, false
		}),
		"sharded": with(func(c *arch.Shape) {
			c.Layers, c.Heads, c.Width, c.Context, c.Vocab, c.Inner = 3, 3, 24, 18, 100, 40
			c.ScaleAttnByLayer = true
		}),
		"buffers": with(func(c *arch.Shape) {
			c.Layers, c.Heads, c.Width, c.Context, c.Vocab, c.Inner = 2, 3, 48, 16, 70, 192
			c.Epsilon, c.ScaleAttn, c.ScaleAttnByLayer, c.ReorderUpcast = 1e-6, false, true, true
		}),
	} {
		cache := t.TempDir()
		c, err := Open(golden(name), cache)
		if err != nil {
			t.Error(err)
			continue
		}
		if c.Shape() != want {
			t.Errorf("%s: got config %+v, want %+v", name, c.Shape(), want)
		}
		if converted := strings.HasPrefix(c.Dir(), cache); converted != (name == "half" || name == "bfloat") {
			t.Errorf("%s: external data lies in %s; only half precision is converted", name, c.Dir())
		}
		stored := storedTensors(t, golden(name))
		for _, tensor := range c.Names() {
			got, err := c.Floats(tensor)
			if err != nil || !reflect.DeepEqual(got, stored[tensor]) {
				t.Errorf("%s: %s is not what the file says (%v)", name, tensor, err)
			}
			checkInitializer(t, c, tensor, got)
		}
		again, err := Open(golden(name), cache)
		if err != nil || again.Digest() != c.Digest() || again.Dir() != c.Dir() {
			t.Errorf("%s: opened again it is another (%v)", name, err)
		}
	}
}

// storedTensors reads all files of dir without the code under test, prefixes removed.
func storedTensors(t *testing.T, dir string) map[string][]float32 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no weights in %s (%v)", dir, err)
	}
	tensors := map[string][]float32{}
	for _, path := range files {
		f, err := safetensors.Open(path, safetensors.MaxCheckpointHeader)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range f.Entries() {
			values, err := f.Floats(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			tensors[strings.TrimPrefix(e.Name, "transformer.")] = values
		}
		f.Close()
	}
	return tensors
}

func TestDigestIgnoresHowItIsStored(t *testing.T) {
	for _, name := range []string{"half", "sharded", "buffers"} {
		cache := t.TempDir()
		c, err := Open(golden(name), cache)
		if err != nil {
			t.Fatal(err)
		}
		tensors := map[string][]float32{}
		for _, n := range c.Names() {
			if tensors[n], err = c.Floats(n); err != nil {
				t.Fatal(err)
			}
		}
		dir := t.TempDir()
		if err := Write(dir, c.Shape(), tensors); err != nil {
			t.Fatal(err)
		}
		rewritten, err := Open(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		if rewritten.Digest() != c.Digest() {
			t.Errorf("%s: rewritten as one float32 file it has another digest", name)
		}
	}
}

func TestGoldensAreMisalignedAndBuffered(t *testing.T) {
	f, err := safetensors.Open(filepath.Join(golden("buffers"), "model.safetensors"), safetensors.MaxCheckpointHeader)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Entries()[0].Offset%4 == 0 {
		t.Error("the data is aligned: the fixture no longer shows what real files have")
	}
	for _, name := range []string{"h.0.attn.bias", "h.1.attn.masked_bias"} {
		if _, ok := f.Entry(name); !ok {
			t.Errorf("the fixture has no %s", name)
		}
	}
}

func TestCacheFolderOfSymbolicLinks(t *testing.T) {
	blobs, snapshot := filepath.Join(t.TempDir(), "blobs"), t.TempDir()
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, golden("sharded"), snapshot, func(i int) string { return blobs })
	c, err := Open(snapshot, "")
	if err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(blobs)
	if err != nil || c.Dir() != real {
		t.Errorf("external data lies in %s, want the real folder %s (%v)", c.Dir(), real, err)
	}
	values, err := c.Floats("h.2.mlp.c_proj.weight")
	if err != nil {
		t.Fatal(err)
	}
	checkInitializer(t, c, "h.2.mlp.c_proj.weight", values)
}

// link makes the folder at to a folder of links, each to a copy under folder(i) with a name that says nothing.
func link(t *testing.T, from, to string, folder func(i int) string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		copied := filepath.Join(folder(i), "blob"+string(rune('a'+i)))
		if err := os.WriteFile(copied, []byte(read(t, filepath.Join(from, e.Name()))), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(copied, filepath.Join(to, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

func TestShardsInDifferentFoldersAreBroughtTogether(t *testing.T) {
	snapshot, cache := t.TempDir(), t.TempDir()
	link(t, golden("sharded"), snapshot, func(int) string { return t.TempDir() })
	if _, err := Open(snapshot, ""); err == nil || !strings.Contains(err.Error(), "name a cache folder") {
		t.Errorf("without a cache: got %v", err)
	}
	c, err := Open(snapshot, cache)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := Open(golden("sharded"), "")
	if err != nil {
		t.Fatal(err)
	}
	if c.Digest() != direct.Digest() {
		t.Error("brought together, the shards have another digest")
	}
	for _, name := range c.Names() {
		values, err := direct.Floats(name)
		if err != nil {
			t.Fatal(err)
		}
		checkInitializer(t, c, name, values)
	}
}

func TestDamagedCacheIsMadeAnew(t *testing.T) {
	cache := t.TempDir()
	c, err := Open(golden("half"), cache)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.Dir(), "model.safetensors")
	good := read(t, file)
	flipped := []byte(good)
	flipped[len(flipped)-3] ^= 1
	for name, bad := range map[string]string{"truncated": good[:len(good)/2], "one bit": string(flipped), "empty": ""} {
		if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(golden("half"), cache); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if read(t, file) != good {
			t.Errorf("%s: the cached file was not made anew", name)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(golden("half"), cache); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("a sound cached file was written again (%v)", err)
	}
}

func TestIndexRefusals(t *testing.T) {
	source := golden("sharded")
	index := map[string]map[string]any{}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(source, "model.safetensors.index.json"))), &index); err != nil {
		t.Fatal(err)
	}
	weights := index["weight_map"]
	names := slices.Sorted(maps.Keys(weights))
	first := names[0]
	for name, tc := range map[string]struct {
		change func(map[string]any)
		want   string
	}{
		"parent folder": {func(m map[string]any) { m[first] = "../model.safetensors" }, `lies in "../model.safetensors"`},
		"absolute":      {func(m map[string]any) { m[first] = "/etc/passwd" }, `lies in "/etc/passwd"`},
		"pickle":        {func(m map[string]any) { m[first] = "pytorch_model-1.bin" }, "shards are .safetensors files"},
		"number":        {func(m map[string]any) { m[first] = 1 }, first},
		"wrong shard": {func(m map[string]any) {
			for _, n := range names {
				if m[n] != m[first] {
					m[first] = m[n]
					return
				}
			}
		}, first},
		"absent shard":  {func(m map[string]any) { m[first] = "model-9.safetensors" }, "model-9.safetensors"},
		"unlisted":      {func(m map[string]any) { delete(m, first) }, "holds tensor " + first},
		"phantom":       {func(m map[string]any) { m["transformer.h.9.ln_1.bias"] = m[first] }, "transformer.h.9.ln_1.bias is missing from"},
		"empty mapping": {func(m map[string]any) { clear(m) }, "tensor wte.weight is missing"},
	} {
		dir := t.TempDir()
		link(t, source, dir, func(int) string { return dir })
		changed := maps.Clone(weights)
		tc.change(changed)
		data, err := json.Marshal(map[string]any{"weight_map": changed})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "model.safetensors.index.json")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, t.TempDir()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}
