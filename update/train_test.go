package update

import (
	"reflect"
	"strings"
	"testing"
)

func TestLayerNumbers(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "3": {3}, "8-11": {8, 9, 10, 11}, "5,0-2": {0, 1, 2, 5}} {
		var train Train
		if text != "" {
			train.Layers = strings.Split(text, ",")
		}
		if got, err := train.LayerNumbers(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"-1", "a", "1-", "0-1001", "2-1"} {
		if got, err := (Train{Layers: []string{bad}}).LayerNumbers(); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}
