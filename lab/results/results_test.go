package results

import (
	"os"
	"path/filepath"
	"testing"
)

type line struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// RecordKey implements Keyed.
func (l line) RecordKey() string { return l.Name }

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deeper", "lines.jsonl")
	b, err := Open[line](path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open[line](path); err == nil {
		t.Error("two processes could write one file")
	}
	for _, l := range []line{{"a", 1}, {"b", 2}, {"a", 3}} {
		if err := b.Add(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"name":"c"`); err != nil { // killed while it wrote
		t.Fatal(err)
	}
	f.Close()
	if b, err = Open[line](path); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, ok := b.Find("a"); !ok || got.N != 3 {
		t.Errorf("a is %+v, %v", got, ok)
	}
	if _, ok := b.Find("c"); ok {
		t.Error("a line that was not written to its end is a record")
	}
	if err := b.Add(line{"d", 4}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if want := `{"name":"a","n":1}` + "\n" + `{"name":"b","n":2}` + "\n" + `{"name":"a","n":3}` + "\n" + `{"name":"d","n":4}` + "\n"; err != nil || string(data) != want {
		t.Errorf("the file holds\n%s%v", data, err)
	}
}
