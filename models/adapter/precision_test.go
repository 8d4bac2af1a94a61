package adapter

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"nightshift/models/arch"
)

// encodeRaw writes factors of one target, of rank 1, with raw elements of any type.
func encodeRaw(t *testing.T, dtype string, a, b []byte, in, out int) []byte {
	t.Helper()
	const path = "base_model.model.h.0.mlp.c_fc.lora_" // as saved from a model without a head
	header := fmt.Sprintf(`{"%sA.weight":{"dtype":"%s","shape":[1,%d],"data_offsets":[0,%d]},"%sB.weight":{"dtype":"%s","shape":[%d,1],"data_offsets":[%d,%d]}}`,
		path, dtype, in, len(a), path, dtype, out, len(a), len(a)+len(b))
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(append(data, header...), a...), b...)
}

func TestHalfPrecisionAndHeadlessNames(t *testing.T) {
	config, err := json.Marshal(map[string]any{"peft_type": "LORA", "r": 1, "lora_alpha": 0.5, "target_modules": []string{"c_fc"},
		"base_model_name_or_path": "gpt2"})
	if err != nil {
		t.Fatal(err)
	}
	want := Factors{A: []float32{1, -2}, B: []float32{0.5, 3, 0}}
	for dtype, words := range map[string][]uint16{
		"F16":  {0x3c00, 0xc000, 0x3800, 0x4200, 0},
		"BF16": {0x3f80, 0xc000, 0x3f00, 0x4040, 0},
	} {
		var raw []byte
		for _, w := range words {
			raw = binary.LittleEndian.AppendUint16(raw, w)
		}
		a, err := Parse(config, encodeRaw(t, dtype, raw[:4], raw[4:], 2, 3))
		if err != nil {
			t.Errorf("%s: %v", dtype, err)
			continue
		}
		if got := a.Factors[arch.Target{Layer: 0, Module: "mlp.c_fc"}]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", dtype, got, want)
		}
		if a.Config.Alpha != 0.5 || a.Config.BaseModel != "gpt2" {
			t.Errorf("%s: config %+v", dtype, a.Config)
		}
		_, weights, err := a.Files()
		if err != nil || !strings.Contains(string(weights), `"base_model.model.transformer.h.0.mlp.c_fc.lora_A.weight":{"dtype":"F32"`) {
			t.Errorf("%s: not rewritten in float32 under the canonical name (%v)", dtype, err)
		}
	}
	if _, err := Parse(config, encodeRaw(t, "I16", make([]byte, 4), make([]byte, 6), 2, 3)); err == nil || !strings.Contains(err.Error(), "I16") {
		t.Errorf("integers: got %v", err)
	}
	nan := binary.LittleEndian.AppendUint32(make([]byte, 8), math.Float32bits(float32(math.NaN())))
	if _, err := Parse(config, encodeRaw(t, "F32", make([]byte, 8), nan, 2, 3)); err == nil || !strings.Contains(err.Error(), "B of h.0.mlp.c_fc holds NaN at index 2") {
		t.Errorf("NaN: got %v", err)
	}
}
