package night

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"nightshift/models/arch"
)

func TestLayerNumbers(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "3": {3}, "8-11": {8, 9, 10, 11}, "5,0-2": {0, 1, 2, 5}} {
		var train Train
		if text != "" {
			train.Layers = strings.Split(text, ",")
		}
		if got, err := train.layerNumbers(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"-1", "a", "1-", "0-1001", "2-1"} {
		if got, err := (Train{Layers: []string{bad}}).layerNumbers(); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// TestFits refuses what a model does not have, by the key that names it, and says what it has.
func TestFits(t *testing.T) {
	c := Config{ModelDir: "model", LearningRate: 1e-3, Shape: arch.GPT2(arch.Shape{Layers: 2, Width: 8})}
	for _, test := range []struct {
		track, want string
		change      func(t *Train)
	}{
		{"", "", func(t *Train) { t.Modules = []string{"auto"} }},
		{"", "", func(t *Train) { t.Modules, t.Layers = []string{"mlp", "attn.c_attn"}, []string{"0-1"} }},
		{"", `update.train.modules[1]: want one of attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj, mlp, auto, not "c_proj"`, func(t *Train) { t.Modules = []string{"mlp.c_fc", "c_proj"} }},
		{"support", `tracks.support.update.train.modules[0]: want one of attn.c_attn`, func(t *Train) { t.Modules = []string{"q_proj"} }},
		{"", "update.train.layers: the model's layers are 0-1, not 2", func(t *Train) { t.Layers = []string{"1-2"} }},
	} {
		c.Settings, c.Tracks = Defaults(), nil
		if s := Defaults(); test.track == "" {
			test.change(&c.Train)
		} else {
			test.change(&s.Train)
			c.Tracks = map[string]Settings{test.track: s}
		}
		if err := c.complete(); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
	if got := modules([]string{"attn.c_attn", "mlp"}, c.Shape); !slices.Equal(got, []string{"attn.c_attn", "mlp.c_fc", "mlp.c_proj"}) {
		t.Errorf("mlp stands for %v", got)
	}
}
