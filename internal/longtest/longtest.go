// Package longtest marks tests that take long. They run where the environment has NIGHTSHIFT_LONG_TESTS=1, as `make test-long` has it,
// and are skipped elsewhere, so that `make test` takes few minutes.
//
// A test is long when it takes more than some ten seconds of processor time and shorter ones go the same way.
package longtest

import (
	"os"
	"testing"
)

// Env is the variable of the environment that asks for long tests with the value 1.
const Env = "NIGHTSHIFT_LONG_TESTS"

// Wanted says whether long tests are to run.
func Wanted() bool { return os.Getenv(Env) == "1" }

// Skip skips a long test unless long tests are to run.
func Skip(t testing.TB) {
	t.Helper()
	if !Wanted() {
		t.Skip("takes long: make test-long runs it, or go test with " + Env + "=1")
	}
}
