package night

import (
	"bytes"
	"testing"

	"nightshift/update/selection"
)

// FuzzExamples reads any bytes as a file of examples: what is accepted can be written to a selection and read back.
func FuzzExamples(f *testing.F) {
	for _, seed := range []string{"", "\n", `{"messages":[{"role":"user","content":"a"}],"completion":"b"}`, `{"messages":[],"completion":"b"}`, `{"x":1}`,
		"{\"messages\":[{\"role\":\"user\",\"content\":\"\\u2028<a>\"}],\"completion\":\"b\"}\n{\"messages\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		items, err := parseExamples("x.jsonl", data, selection.Anchor)
		if err != nil {
			return
		}
		encoded, err := selection.EncodeItems(items)
		if err != nil {
			t.Fatal(err)
		}
		back, err := selection.DecodeItems(encoded)
		if err != nil || len(back) != len(items) {
			t.Fatalf("%d items of %d came back: %v", len(back), len(items), err)
		}
		again, err := selection.EncodeItems(back)
		if err != nil || !bytes.Equal(encoded, again) {
			t.Fatalf("%q became %q: %v", encoded, again, err)
		}
	})
}
