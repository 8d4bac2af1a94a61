package test

import (
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/registry"
)

// TestExplain lists why a night did not use what it had: what waits first, and retired examples last.
func TestExplain(t *testing.T) {
	data := t.TempDir()
	r, err := registry.Open(filepath.Join(data, "registry"), nil)
	if err != nil {
		t.Fatal(err)
	}
	const night = "20260301-020000-0011223344"
	if err := r.CreateNight(night); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteNightFile(night, "record.json", []byte(`{"id":"`+night+`","track":"default","state":"skipped","candidate":null}`)); err != nil {
		t.Fatal(err)
	}
	if got := execute(t, "night", "show", night, "--explain", "--data", data); !strings.Contains(got.out, "used all that it had") {
		t.Errorf("without reasons: %q %q", got.out, got.err)
	}
	list := `[{"id":"a","of":"memory","why":"old"},{"id":"b","why":"empty"},{"id":"c","why":"alone","waits":true}]`
	if err := r.WriteNightFile(night, "reasons.json", []byte(list)); err != nil {
		t.Fatal(err)
	}
	if got, want := execute(t, "night", "show", night, "--explain", "--data", data).out, "waits     c  alone\nrejected  b  empty\nretired   a  old\n"; !strings.HasSuffix(got, want) {
		t.Errorf("explained as %q, want %q at the end", got, want)
	}
	if got := execute(t, "night", "show", night, "--data", data).out; strings.Contains(got, "alone") {
		t.Errorf("explained though nobody asked: %q", got)
	}
	if got := execute(t, "night", "show", night, "--explain", "--json", "--data", data).out; !strings.Contains(got, `"unused":[{"id":"c","why":"alone","waits":true},`) {
		t.Errorf("explained as %q", got)
	}
}
