package train

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/safetensors"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// objectiveGolden is what PyTorch computed; see testdata/objective/make_goldens.py.
type objectiveGolden struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`
	Modules []string `json:"modules"`
	Good    []bool   `json:"good"`
	Cases   map[string]struct {
		Kind        string           `json:"kind"`
		Beta        float64          `json:"beta"`
		Smoothing   float64          `json:"smoothing"`
		ChangedOnly bool             `json:"changed_only"`
		Desirable   float64          `json:"desirable"`
		Undesirable float64          `json:"undesirable"`
		Swapped     bool             `json:"swapped"`
		Baseline    float64          `json:"baseline"`
		Loss        float64          `json:"loss"`
		Sequences   []goldenSequence `json:"sequences"`
		Policy      []float64        `json:"policy"`
		Reference   []float64        `json:"reference"`
		Gradient    []float64        `json:"gradient"`
	} `json:"cases"`
}

// goldenSequence is a pair of tokens and the length of the prompt.
type goldenSequence Sequence

// UnmarshalJSON implements json.Unmarshaler.
func (s *goldenSequence) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&s.Tokens, &s.Prompt})
}

// TestObjectivesEqualPyTorch compares losses, derivatives with respect to log-probabilities and the gradients of LoRA factors.
func TestObjectivesEqualPyTorch(t *testing.T) {
	ort.ForTest(t)
	var golden objectiveGolden
	data, err := os.ReadFile(filepath.Join("testdata", "objective", "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(filepath.Join("testdata", "objective", "golden.safetensors"), safetensors.MaxAdapterHeader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(filepath.Join(goldens, "plain", "checkpoint"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base := Base{Config: c.Shape(), Weights: c.Initializer, Dir: c.Dir()}
	trainable := graphs.Trainable{Rank: golden.Rank, Scale: golden.Alpha / float64(golden.Rank)}
	for layer := range base.Config.Layers {
		for _, m := range golden.Modules {
			trainable.Targets = append(trainable.Targets, arch.Target{Layer: layer, Module: m})
		}
	}
	s := tinySession(t, base, trainable)
	scorer := tinyScorer(t, base, trainable, 2, 16)
	factors := func(prefix string) (all []float32) {
		for _, p := range s.Shapes() {
			all = append(all, column(t, f, prefix+"/"+p.Name)...)
		}
		return all
	}
	positive := 0
	for name, want := range golden.Cases {
		t.Run(name, func(t *testing.T) {
			opt := ObjectiveOptions{RatedLoss: want.Kind, RatedBeta: want.Beta, RatedShare: 1, Desirable: want.Desirable, Undesirable: want.Undesirable,
				Beta: want.Beta, Smoothing: want.Smoothing, PreferenceShare: 1}
			var preferences []Preference
			var rated []Rated
			if want.Kind == "dpo" {
				opt.Preferences = len(want.Sequences) / 2
				preferences = goldenPreferences(t, want.Sequences, want.ChangedOnly)
			} else {
				opt.Rated = len(golden.Good)
				for i, good := range golden.Good {
					rated = append(rated, Rated{Answer: Answer{Sequence: Sequence(want.Sequences[i])}, Good: good, Weight: 1})
				}
			}
			champion, policy := factors("champion"), factors("policy")
			if want.Swapped {
				champion, policy = policy, champion
			}
			copy(s.Parameters(), policy)
			o, _, err := NewObjective(scorer, Champion{Params: champion}, preferences, rated, opt)
			if err != nil {
				t.Fatal(err)
			}
			if want.Kind == KTOLoss { // the pairs that the golden has, and not those that a seed gives
				var pointers []*Answer
				for i := range o.rated {
					o.rated[i].mismatched = &Answer{Sequence: Sequence(want.Sequences[len(o.rated)+i])}
					pointers = append(pointers, o.rated[i].mismatched)
				}
				if _, err := scorer.References(Champion{Params: champion}, pointers); err != nil {
					t.Fatal(err)
				}
			}
			d := drawn{o.preferences, o.rated}
			step, coefficients := o.weigh(d, want.Policy)
			close4 := func(a, b float64) bool { return math.Abs(a-b) <= 1e-4*math.Abs(b) }
			if !close4(step.Loss, want.Loss) || math.Abs(step.Baseline-want.Baseline) > 1e-5 {
				t.Errorf("loss %g and baseline %g, want %g and %g", step.Loss, step.Baseline, want.Loss, want.Baseline)
			}
			for i, got := range coefficients {
				if !close4(-got, want.Gradient[i]) {
					t.Errorf("derivative %d is %g, want %g", i, -got, want.Gradient[i])
				}
			}
			if want.Baseline > 0 {
				positive++
			}
			for i, a := range d.answers() {
				if math.Abs(a.Reference-want.Reference[i]) > 1e-4 {
					t.Errorf("reference %d is %g, want %g", i, a.Reference, want.Reference[i])
				}
			}
			grads := make([]float32, len(s.Parameters()))
			if step, err = o.Add(s, rand.New(rand.NewPCG(1, 1)), grads); err != nil {
				t.Fatal(err)
			}
			if !close4(step.Loss, want.Loss) {
				t.Errorf("end to end the loss is %g, want %g", step.Loss, want.Loss)
			}
			at := 0
			for _, p := range s.Shapes() {
				exact := column(t, f, name+"/"+p.Name)
				got := grads[at : at+len(exact)]
				at += len(exact)
				var diff, norm float64
				for i := range exact {
					diff += math.Pow(float64(got[i]-exact[i]), 2)
					norm += math.Pow(float64(exact[i]), 2)
				}
				if math.Sqrt(diff) > 1e-4*math.Sqrt(norm) || norm == 0 {
					t.Errorf("the gradient of %s differs by %g of its norm", p.Name, math.Sqrt(diff/norm))
				}
			}
		})
	}
	if positive != 1 || len(golden.Cases) != 8 {
		t.Errorf("%d cases, %d of them with a baseline", len(golden.Cases), positive)
	}
}

// goldenPreferences makes preferences of chosen and rejected in turn, and checks where their loss begins.
func goldenPreferences(t *testing.T, list []goldenSequence, changedOnly bool) []Preference {
	t.Helper()
	var preferences []Preference
	for pair := range slices.Chunk(list, 2) {
		prompt := shared(pair[0].Tokens, pair[1].Tokens) // and what both completions begin with
		if !changedOnly {
			prompt = pair[0].Prompt
		}
		p, err := NewPreference("golden", pair[0].Tokens[:prompt], pair[0].Tokens[prompt:], pair[1].Tokens[prompt:], changedOnly)
		if err != nil {
			t.Fatal(err)
		}
		if p.Chosen.Prompt != pair[0].Prompt || p.Rejected.Prompt != pair[1].Prompt {
			t.Errorf("loss begins at %d and %d, want %d and %d", p.Chosen.Prompt, p.Rejected.Prompt, pair[0].Prompt, pair[1].Prompt)
		}
		preferences = append(preferences, p)
	}
	return preferences
}

// answers lists what sequences lists.
func (d drawn) answers() []Answer {
	var list []Answer
	for _, p := range d.preferences {
		list = append(list, p.Chosen, p.Rejected)
	}
	for _, r := range d.rated {
		list = append(list, r.Answer)
	}
	for _, r := range d.rated {
		if r.mismatched != nil {
			list = append(list, *r.mismatched)
		}
	}
	return list
}
