package conversion

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/anchors"
	"nightshift/models/quantize"
)

// TestPackLeavesNoPadding packs sequences that do not divide into rows.
func TestPackLeavesNoPadding(t *testing.T) {
	long := make([]int32, 11)
	for i := range long {
		long[i] = int32(100 + i)
	}
	r := pack([]Sequence{{Tokens: []int32{1, 2, 3}}, {Tokens: long}, {Tokens: []int32{7}}, {Tokens: []int32{8, 9}}}, 8, 100)
	if r.count() != 1 || r.columns != 8 {
		t.Fatalf("%d rows of %d", r.count(), r.columns)
	}
	for i, want := range []struct{ id, position, segment int64 }{{1, 0, 1}, {2, 1, 1}, {3, 2, 1}, {100, 0, 2}, {101, 1, 2}, {102, 2, 2}, {103, 3, 2}, {104, 4, 2}} {
		if r.ids[i] != want.id || r.positions[i] != want.position || r.segments[i] != want.segment {
			t.Errorf("column %d is %d at %d of %d, want %v", i, r.ids[i], r.positions[i], r.segments[i], want)
		}
	}
	if r := pack([]Sequence{{Tokens: []int32{1, 2, 3}}}, 8, 100); r.count() != 1 || r.columns != 3 {
		t.Errorf("a text shorter than a row: %d rows of %d", r.count(), r.columns)
	}
	if r := pack([]Sequence{{Tokens: long}, {Tokens: long}, {Tokens: long}}, 4, 5); r.count() != 2 {
		t.Errorf("%d rows beyond the limit", r.count())
	}
}

func TestSamplesAreSpread(t *testing.T) {
	for _, test := range []struct {
		total, n int
		want     []int64
	}{{8, 2, []int64{2, 6}}, {3, 9, []int64{0, 1, 2}}} {
		got := samples(test.total, test.n)
		for i := range got {
			if len(got) != len(test.want) || got[i] != test.want[i] {
				t.Errorf("%d of %d: %v, want %v", test.n, test.total, got, test.want)
			}
		}
	}
}

func TestRead(t *testing.T) {
	m, dir, _ := shipped(t)
	beside, err := Read(m, dir, "")
	if err != nil || len(beside.Sequences) != 944 || beside.Source != "rehearsal.jsonl and anchors.jsonl" {
		t.Errorf("%d pieces of %s (%v)", len(beside.Sequences), beside.Source, err)
	}
	for _, s := range beside.Sequences {
		if s.From < 1 || s.From >= len(s.Tokens) || s.Tokens[len(s.Tokens)-1] != m.Tokenizer.EOS() {
			t.Fatalf("scored from %d of %v", s.From, s.Tokens)
		}
	}
	calibration, measured := beside.split()
	if len(calibration) != 708 || len(measured) != 236 {
		t.Errorf("%d to calibrate, %d to measure", len(calibration), len(measured))
	}
	built, err := Read(m, t.TempDir(), "")
	if err != nil || !strings.Contains(built.Source, "built-in") || len(built.Sequences) < 2*heldOut {
		t.Errorf("%d pieces of %s (%v)", len(built.Sequences), built.Source, err)
	}
	if built.digest() == beside.digest() || built.digest() != built.digest() {
		t.Error("digests do not tell texts apart")
	}
	said := t.TempDir()
	plan, err := anchors.Place{Model: said, Base: "a", Template: "b"}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	var answers []anchors.Answer
	for _, q := range plan.Ask {
		answers = append(answers, anchors.Answer{Example: anchors.Example{Messages: q.Messages, Completion: "yes"}})
	}
	if _, err := plan.Keep(answers, quantize.Float32); err != nil {
		t.Fatal(err)
	}
	if own, err := Read(m, said, ""); err != nil || own.Source != built.Source {
		t.Errorf("beside a model's own answers %s is read (%v)", own.Source, err)
	}
	write := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	poem := strings.Repeat("We can exchange shoes within a month. ", 60)
	plain, err := Read(m, dir, write("a.txt", poem))
	if err != nil || len(plain.Sequences) < 2*heldOut || plain.Sequences[0].From != 1 {
		t.Errorf("%d pieces (%v)", len(plain.Sequences), err)
	}
	raw, err := Read(m, dir, write("a.jsonl", strings.Repeat(`{"messages":[{"role":"prompt","content":"We can"}],"completion":" help"}`+"\n\n", 5)))
	if err != nil || len(raw.Sequences) != 5 || raw.Sequences[0].From != len(m.Tokenizer.Encode(nil, "We can")) {
		t.Errorf("raw prompts: %+v (%v)", raw.Sequences, err)
	}
	for text, want := range map[string]string{`{"messages":[{"role":"user","content":"hi"}],"completion":"x"}` + "\n{]": "line 2", `{"completion":"x"}`: "no messages", "": "only 0 pieces"} {
		if _, err := Read(m, dir, write("b.jsonl", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Read(m, dir, filepath.Join(dir, "none.txt")); err == nil {
		t.Error("a text that is not there was read")
	}
}
