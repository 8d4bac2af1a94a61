package adapter

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

const goldens = "../../onnx/gpt2/testdata"

// bases are the sizes of the golden checkpoints.
var bases = map[string]arch.Shape{
	"plain": shape(2, 16, 64), "half": shape(1, 32, 48), "bfloat": shape(2, 32, 128), "sharded": shape(3, 24, 40), "buffers": shape(2, 48, 192),
}

func TestReadsWhatPEFTWrote(t *testing.T) {
	want := map[string]Config{
		"full":   {Rank: 8, Alpha: 16, Modules: arch.NamingOf("attn.c_attn").Modules},
		"rslora": {Rank: 4, Alpha: 6, RSLoRA: true, Modules: []string{"mlp.c_fc", "mlp.c_proj"}},
		"range":  {Rank: 2, Alpha: 3, Modules: []string{"attn.c_proj", "mlp.c_fc", "mlp.c_proj"}, Layers: []int{1}},
		"regex":  {Rank: 3, Alpha: 2, Modules: []string{"attn.c_attn", "mlp.c_fc"}, Layers: []int{0, 1}},
	}
	scales := map[string]float64{"full": 2, "rslora": 3, "range": 1.5, "regex": 2. / 3}
	dirs, err := filepath.Glob(filepath.Join(goldens, "*", "adapters", "*"))
	if err != nil || len(dirs) < 15 {
		t.Fatalf("found %d golden adapters, want at least 15 (%v)", len(dirs), err)
	}
	for _, dir := range dirs {
		name, model := filepath.Base(dir), filepath.Base(filepath.Dir(filepath.Dir(dir)))
		a, err := Read(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := "golden/" + model; a.Config.BaseModel != want {
			t.Errorf("%s: base model %q, want %q", dir, a.Config.BaseModel, want)
		}
		a.Config.BaseModel = ""
		if !reflect.DeepEqual(a.Config, want[name]) {
			t.Errorf("%s: got config %+v, want %+v", dir, a.Config, want[name])
		}
		if got := a.Config.Scale(); got != scales[name] {
			t.Errorf("%s: scale %v, want %v", dir, got, scales[name])
		}
		if err := a.CheckBase(bases[model]); err != nil {
			t.Errorf("%s does not fit the model it was made for: %v", dir, err)
		}
		if err := a.CheckBase(shape(bases[model].Layers, bases[model].Width+8, bases[model].Inner)); err == nil {
			t.Errorf("%s fits a wider model", dir)
		}
		checkAgainstFile(t, a, filepath.Join(dir, WeightsFile))
		checkRoundTrip(t, a)
	}
}

// TestReadsLlamaOfPEFT reads and writes adapters of models whose graphs pack what PEFT adapts apart.
func TestReadsLlamaOfPEFT(t *testing.T) {
	all := arch.NamingOf("self_attn.q_proj").Modules
	want := map[string]Config{
		"full":   {Rank: 4, Alpha: 8, Modules: all},
		"rslora": {Rank: 3, Alpha: 4, RSLoRA: true, Modules: []string{"self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj"}},
		"range":  {Rank: 2, Alpha: 3, Modules: []string{"self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"}, Layers: []int{1}},
	}
	dirs, err := filepath.Glob("../../onnx/llama/testdata/*/adapters/*")
	if err != nil || len(dirs) < 24 {
		t.Fatalf("found %d golden adapters, want at least 24 (%v)", len(dirs), err)
	}
	for _, dir := range dirs {
		a, err := Read(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		config, err := os.ReadFile(filepath.Join(dir, "../../checkpoint/config.json"))
		if err != nil {
			t.Fatal(err)
		}
		base, err := arch.Parse(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.CheckBase(base); err != nil {
			t.Errorf("%s does not fit the model it was made for: %v", dir, err)
		}
		base.Inner += 8
		base.HeadSize *= 2
		if err := a.CheckBase(base); err == nil {
			t.Errorf("%s fits a wider model", dir)
		}
		a.Config.BaseModel = ""
		if got := want[filepath.Base(dir)]; !reflect.DeepEqual(a.Config, got) {
			t.Errorf("%s: got config %+v, want %+v", dir, a.Config, got)
		}
		checkAgainstFile(t, a, filepath.Join(dir, WeightsFile))
		checkRoundTrip(t, a)
	}
}

// checkAgainstFile compares factors with the file, element by element.
func checkAgainstFile(t *testing.T, a *Adapter, path string) {
	t.Helper()
	f, err := safetensors.Open(path, safetensors.MaxAdapterHeader)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.Entries()) != 2*len(a.Factors) {
		t.Errorf("%s: %d tensors became %d targets", path, len(f.Entries()), len(a.Factors))
	}
	r := a.Config.Rank
	for target, factors := range a.Factors {
		naming := arch.NamingOf(target.Module)
		name := "base_model.model." + naming.Path(naming.Root, target)
		storedA, errA := f.Floats(name + ".lora_A.weight")
		storedB, errB := f.Floats(name + ".lora_B.weight")
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		in, out := a.Dims(target)
		for i := range in {
			for k := range r {
				if factors.A[i*r+k] != storedA[k*in+i] {
					t.Fatalf("%s: A[%d,%d] of %s is not the file's [%d,%d]", path, i, k, target, k, i)
				}
			}
		}
		for k := range r {
			for o := range out {
				if factors.B[k*out+o] != storedB[o*r+k] {
					t.Fatalf("%s: B[%d,%d] of %s is not the file's [%d,%d]", path, k, o, target, o, k)
				}
			}
		}
	}
}

func checkRoundTrip(t *testing.T, a *Adapter) {
	t.Helper()
	dir := t.TempDir()
	if err := a.Write(dir); err != nil {
		t.Fatal(err)
	}
	back, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, back) {
		t.Errorf("an adapter changed in a round trip: %+v became %+v", a.Config, back.Config)
	}
	first, err := a.Digest()
	if err != nil {
		t.Fatal(err)
	}
	config, _ := os.ReadFile(filepath.Join(dir, ConfigFile))
	weights, _ := os.ReadFile(filepath.Join(dir, WeightsFile))
	if got := Digest(config, weights); got != first {
		t.Errorf("the files have digest %s, the adapter %s", got, first)
	}
}

func TestDigestIsStable(t *testing.T) {
	a, err := Read(filepath.Join(goldens, "plain", "adapters", "full"))
	if err != nil {
		t.Fatal(err)
	}
	a.Config.BaseModel = "demo"
	got, err := a.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if want := "sha256:cf81afa14e031534c0768aa8f6ad7ee4a2f21ad726fed5c61243d7d462f6f0bf"; got != want {
		t.Errorf("digest: got %s, want %s: a changed digest disowns every published adapter", got, want)
	}
	if same, _ := a.Scaled(1).Digest(); same != got {
		t.Error("a copy has another digest")
	}
	if other, _ := a.Scaled(0.5).Digest(); other == got {
		t.Error("a scaled adapter has the same digest")
	}
	a.Config.Alpha = 16.5
	config, _, err := a.Files()
	if err != nil || !strings.Contains(string(config), `"lora_alpha": 16.5`) {
		t.Errorf("a fractional lora_alpha is not written as it is (%v):\n%s", err, config)
	}
}
