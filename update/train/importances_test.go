package train

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

func TestImportancesFile(t *testing.T) {
	shapes := []arch.Tensor{{Name: "lora_A.0.mlp.c_fc", Dims: []int64{2, 1}}, {Name: "lora_B.0.mlp.c_fc", Dims: []int64{1, 3}}}
	for _, want := range []Importances{
		{Nights: 3, Fisher: []float32{1, 2, 3, 0, 5}},
		{Nights: 1, SI: []float32{1, 0, 0, 0, 5}, Fisher: []float32{0, 0, 0, 0, 9}},
	} {
		data, err := want.Encode(shapes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseImportances(data, shapes)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v (%v)", got, want, err)
		}
		if again, err := want.Encode(shapes); err != nil || !bytes.Equal(again, data) {
			t.Errorf("encoding again gave other bytes (%v)", err)
		}
	}
	if _, err := (Importances{Nights: 1, SI: []float32{1}}).Encode(shapes); err == nil {
		t.Error("one value for five parameters was written")
	}
	file := func(nights string, tensors ...safetensors.Tensor) []byte {
		data, err := safetensors.Encode(tensors, map[string]string{"nights": nights})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	a, b := safetensors.Slice("si.lora_A.0.mlp.c_fc", []int64{2, 1}, []float32{1, 2}), safetensors.Slice("si.lora_B.0.mlp.c_fc", []int64{1, 3}, []float32{1, 2, 3})
	for want, data := range map[string][]byte{
		"parse importances":      []byte("not a file"),
		`"many" nights`:          file("many", a, b),
		`"0" nights`:             file("0", a, b),
		"missing or has shape":   file("1", a),
		"has shape [1 2]":        file("1", safetensors.Slice("si.lora_A.0.mlp.c_fc", []int64{1, 2}, []float32{1, 2}), b),
		"2 of 3 tensors":         file("1", a, b, safetensors.Slice("age", []int64{1}, []float32{1})),
		"holds -2 at index 1":    file("1", safetensors.Slice("si.lora_A.0.mlp.c_fc", []int64{2, 1}, []float32{1, -2}), b),
		"holds +Inf at index 0":  file("1", safetensors.Slice("si.lora_A.0.mlp.c_fc", []int64{2, 1}, []float32{float32(math.Inf(1)), 2}), b),
		"0 of 1 tensors are of ": file("1", safetensors.Slice("age", []int64{1}, []float32{1})),
	} {
		if _, err := ParseImportances(data, shapes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
