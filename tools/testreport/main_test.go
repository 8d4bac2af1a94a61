package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a module with one test file and goes there.
func write(t *testing.T, source string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module shop\n\ngo 1.26\n", "shop_test.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "")
}

func TestReport(t *testing.T) {
	tests := []struct {
		name, source string
		status       int
		want, not    []string
	}{
		{"passed and skipped", `package shop
import "testing"
func TestOpen(t *testing.T) { t.Log("nobody reads this") }
func TestClosed(t *testing.T) { t.Skip("the shop: is closed") }
func TestParts(t *testing.T) { t.Run("lamp", func(t *testing.T) { t.Skip("the shop: is closed") }) }
`, 0, []string{"ok  \tshop", "skipped:\n  the shop: is closed\n    shop.TestClosed\n    shop.TestParts/lamp\n"}, []string{"nobody reads", "=== RUN", "--- PASS"}},
		{"failed", `package shop
import "testing"
func TestOpen(t *testing.T) { t.Log("nobody reads this") }
func TestPrice(t *testing.T) { t.Error("the price is wrong") }
`, 1, []string{"--- FAIL: TestPrice", "the price is wrong", "FAIL\tshop"}, []string{"nobody reads", "skipped:"}},
		{"panicked", `package shop
import "testing"
func TestPrice(t *testing.T) { var m map[string]int; m["lamp"] = 1 }
`, 1, []string{"assignment to entry in nil map", "FAIL\tshop"}, nil},
		{"ended in the midst", `package shop
import ("fmt"; "os"; "testing")
func TestPrice(t *testing.T) { fmt.Println("the till is open"); os.Exit(3) }
`, 1, []string{"no end: TestPrice", "the till is open", "FAIL\tshop"}, nil},
		{"not built", "package shop\nvar price int = \"lamp\"\n", 1, []string{"cannot use \"lamp\"", "FAIL\tshop [build failed]"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, tt.source)
			var out strings.Builder
			status, err := run(context.Background(), []string{"./..."}, &out)
			if err != nil {
				t.Fatal(err)
			}
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in:\n%s", want, &out)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q should not be in:\n%s", not, &out)
				}
			}
		})
	}
}
