package serve

import "testing"

// TestTolerance allows for what rounding the weights does, where a night did not judge a version as this server serves it.
func TestTolerance(t *testing.T) {
	for _, test := range []struct {
		served, recorded string
		want             float64
	}{{"f32", "", 0.02}, {"f32", "f32", 0.02}, {"int8", "int8", 0.02}, {"int4", "int4", 0.02}, {"int8", "", 0.5}, {"f32", "int8", 0.5}, {"int4", "int8", 2}, {"int8", "int4", 2}} {
		if got := tolerance(test.served, test.recorded); got != test.want {
			t.Errorf("served as %s, recorded as %q: %g nats, want %g", test.served, test.recorded, got, test.want)
		}
	}
}
