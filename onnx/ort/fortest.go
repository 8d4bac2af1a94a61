package ort

import (
	"context"
	"os"
	"testing"
	"time"
)

// ForTest opens ONNX Runtime for a test, as the program would, fetching it into the user's cache if need be. It skips
// the test, and says why, only when no library can be had.
func ForTest(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if _, err := Open(ctx, FindOptions{Download: true, Progress: os.Stderr}); err != nil {
		t.Skipf("this test needs ONNX Runtime: %v", err)
	}
}
