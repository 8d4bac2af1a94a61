package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// TestAgainstGonum holds what is computed here to the distributions of gonum.
func TestAgainstGonum(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	same := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			t.Errorf("%s: %.12g, gonum has %.12g", what, got, want)
		}
	}
	for range 300 {
		x, a, b := r.Float64(), 0.5+20*r.Float64(), 0.5+20*r.Float64()
		same("beta", beta(x, a, b), mathext.RegIncBeta(a, b, x))

		tail, degrees := math.Exp(-1-6*r.Float64()), float64(1+r.IntN(60))
		same("Student", Student(tail, degrees), distuv.StudentsT{Mu: 0, Sigma: 1, Nu: degrees}.Quantile(1-tail))

		n := 1 + r.IntN(60)
		k := r.IntN(n + 1)
		low, high := Proportion(k, n, 0.025)
		if k > 0 {
			same("lower end", low, mathext.InvRegIncBeta(float64(k), float64(n-k+1), 0.025))
		}
		if k < n {
			same("upper end", high, mathext.InvRegIncBeta(float64(k+1), float64(n-k), 0.975))
		}

		values := make([]float64, n)
		for i := range values {
			if values[i] = -1; i < k {
				values[i] = 1
			}
		}
		same("sign test", SignTest(values), distuv.Binomial{N: float64(n), P: 0.5}.Survival(float64(k)-0.5))
	}
}
