package ort

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"
)

var openForTest = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	_, err := Open(ctx, FindOptions{Download: true, Progress: os.Stderr})
	return err
})

// ForTest opens ONNX Runtime for a test, as the program would, fetching it into the user's cache if need be. It skips
// the test, and says why, only when no library can be had; a library that was named and is of no use fails the test.
func ForTest(t testing.TB) {
	t.Helper()
	switch err := openForTest(); {
	case err == nil:
	case os.Getenv(EnvLibrary) != "":
		t.Fatal(err)
	default:
		t.Skipf("this test needs ONNX Runtime: %v", err)
	}
}
