package gguf

import (
	"os"
	"testing"
)

// FuzzParse checks that the tensors of an accepted file lie apart inside it and can be read, and that its values can be asked for.
func FuzzParse(f *testing.F) {
	golden, err := os.ReadFile("testdata/goldens.gguf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	for _, tc := range hostile {
		f.Add([]byte(tc.data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		used := int64(0)
		for _, tensor := range file.Tensors() {
			elements, bytes := tensor.Type.Block()
			if tensor.Offset < 0 || tensor.Length <= 0 || tensor.Offset+tensor.Length > int64(len(data)) || tensor.Elements()/elements*bytes != tensor.Length {
				t.Fatalf("%+v in a file of %d bytes", tensor, len(data))
			}
			used += tensor.Length
			left := tensor.Elements()
			err := file.Chunks(tensor.Name, func(chunk []float32) error {
				left -= int64(len(chunk))
				return nil
			})
			if err == nil && left != 0 {
				t.Fatalf("%+v: %d elements are left", tensor, left)
			}
			if p, err := file.Pack(tensor.Name); err == nil && int64(len(p.Scales))*BlockSize != tensor.Elements() {
				t.Fatalf("%+v: %d scales", tensor, len(p.Scales))
			}
		}
		if used > int64(len(data)) {
			t.Fatalf("tensors take %d of %d bytes", used, len(data))
		}
		for _, key := range file.Keys() {
			texts, err := file.Strings(key)
			numbers, err2 := file.Ints(key)
			if err == nil && err2 == nil && len(texts)+len(numbers) > len(data) {
				t.Fatalf("%q has more elements than the file bytes", key)
			}
			_, err = file.Float(key)
			_, err2 = file.Int(key)
			if err == nil && err2 == nil {
				t.Fatalf("%q is both", key)
			}
		}
	})
}
