package night

import (
	"testing"

	"nightshift/internal/nightrecord"
)

func TestCurveIsThinned(t *testing.T) {
	s := newShop(t, "model")
	l := nightLog{nights: s.nights()}
	for step := 1; step <= 5000; step++ {
		l.point(nightrecord.CurvePoint{Step: step, Loss: float64(step)})
	}
	c := l.night.Curve
	if len(c) > curvePoints || len(c) < curvePoints/2 || c[0].Step != 1 || c[len(c)-1].Step < 4900 {
		t.Errorf("%d points from %d to %d", len(c), c[0].Step, c[len(c)-1].Step)
	}
	for i := 1; i < len(c); i++ {
		if c[i].Step-c[i-1].Step != c[1].Step-c[0].Step {
			t.Fatalf("points %d and %d are not evenly spaced", i-1, i)
		}
	}
}
