package demo_test

import (
	"os"
	"testing"

	"nightshift/models/demo"
)

func TestDirUnpacksOnce(t *testing.T) {
	cache := t.TempDir()
	dir, err := demo.Dir(cache)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(dir + "/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	again, err := demo.Dir(cache)
	if err != nil || again != dir {
		t.Fatalf("the second call gave %s, %v; want %s", again, err, dir)
	}
	after, err := os.Stat(dir + "/model.safetensors")
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the second call wrote the files again (%v)", err)
	}
	entries, err := os.ReadDir(cache + "/demo")
	if err != nil || len(entries) != 1 {
		t.Errorf("the cache holds %d folders, want the model alone (%v)", len(entries), err)
	}
}
