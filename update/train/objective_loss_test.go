package train

import (
	"math"
	"math/rand/v2"
	"testing"
)

// agree says whether two figures agree to a share of the larger, or to that share of 1e-3 where both are tiny.
func agree(a, b, share float64) bool {
	return math.Abs(a-b) <= share*math.Max(math.Max(math.Abs(a), math.Abs(b)), 1e-3)
}

// randomLikelihood draws the likelihoods of a completion: sums of tens of nats whose difference goes both ways.
func randomLikelihood(r *rand.Rand) Likelihood {
	reference := -60 * r.Float64()
	return Likelihood{Policy: reference + 8*r.NormFloat64(), Reference: reference}
}

// derivative is the central difference of f at 0.
func derivative(f func(d float64) float64) float64 {
	const h = 1e-4
	return (f(h) - f(-h)) / (2 * h)
}

func moved(l Likelihood, d float64) Likelihood { return Likelihood{l.Policy + d, l.Reference} }

// TestCoefficientsAreDerivatives compares every coefficient with the central difference of its loss.
func TestCoefficientsAreDerivatives(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	for range 500 {
		a, b := randomLikelihood(r), randomLikelihood(r)
		beta, weight, smoothing, baseline := 0.02+r.Float64(), 3*r.Float64(), 0.5*r.Float64(), 3*r.Float64()
		_, chosen, rejected := DPO(a, b, beta, smoothing)
		if want := -derivative(func(d float64) float64 { l, _, _ := DPO(moved(a, d), b, beta, smoothing); return l }); !agree(chosen, want, 1e-4) {
			t.Fatalf("DPO %+v %+v β %g: the coefficient of chosen is %g, differences give %g", a, b, beta, chosen, want)
		}
		if want := -derivative(func(d float64) float64 { l, _, _ := DPO(a, moved(b, d), beta, smoothing); return l }); !agree(rejected, want, 1e-4) {
			t.Fatalf("DPO %+v %+v β %g: the coefficient of rejected is %g, differences give %g", a, b, beta, rejected, want)
		}
		for _, good := range []bool{true, false} {
			_, c := KTO(a, good, baseline, beta, weight)
			if want := -derivative(func(d float64) float64 { l, _ := KTO(moved(a, d), good, baseline, beta, weight); return l }); !agree(c, want, 1e-4) || c > 0 != good {
				t.Fatalf("KTO %+v good %t: coefficient %g, differences give %g", a, good, c, want)
			}
			_, c = APOZero(a, good, beta, weight)
			if want := -derivative(func(d float64) float64 { l, _ := APOZero(moved(a, d), good, beta, weight); return l }); !agree(c, want, 1e-4) || c > 0 != good {
				t.Fatalf("APO-zero %+v good %t: coefficient %g, differences give %g", a, good, c, want)
			}
		}
	}
}

// TestSwappingTurnsThePreferenceRound: x becomes −x, so that the two losses are those of a preference and its opposite.
func TestSwappingTurnsThePreferenceRound(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	for range 500 {
		a, b := randomLikelihood(r), randomLikelihood(r)
		beta := 0.02 + r.Float64()
		x := beta * (a.Reward() - b.Reward())
		there, c, d := DPO(a, b, beta, 0)
		back, e, f := DPO(b, a, beta, 0)
		if !agree(back-there, x, 1e-9) || c != -d || e != -f || !agree(c+e, beta, 1e-9) {
			t.Fatalf("x %g: losses %g and %g, coefficients %g %g and %g %g", x, there, back, c, d, e, f)
		}
		smooth, _, _ := DPO(a, b, beta, 0.2)
		if !agree(smooth, 0.8*there+0.2*back, 1e-9) {
			t.Fatalf("smoothed by 0.2 the loss is %g, of %g and %g", smooth, there, back)
		}
		good, c := KTO(a, true, 1, beta, 1)
		bad, d := KTO(a, false, 1, beta, 1)
		if !agree(good+bad, 1, 1e-9) || c != -d {
			t.Fatalf("good %g with %g, bad %g with %g", good, c, bad, d)
		}
	}
}

// TestSmallBeta: as β goes to 0 the losses forget the model, and the coefficients become β times a constant.
func TestSmallBeta(t *testing.T) {
	const beta = 1e-9
	a, b := Likelihood{-3, -9}, Likelihood{-12, -2}
	if loss, c, d := DPO(a, b, beta, 0); !agree(loss, math.Ln2, 1e-6) || !agree(c/beta, 0.5, 1e-6) || !agree(d/beta, -0.5, 1e-6) {
		t.Errorf("DPO %g, %g, %g", loss, c/beta, d/beta)
	}
	if _, c, _ := DPO(a, b, beta, 0.25); !agree(c/beta, 0.25, 1e-6) {
		t.Errorf("DPO smoothed by a quarter: %g", c/beta)
	}
	if loss, c := KTO(a, true, 2, beta, 3); !agree(loss, 1.5, 1e-6) || !agree(c/beta, 0.75, 1e-6) {
		t.Errorf("KTO %g, %g", loss, c/beta)
	}
	if loss, c := APOZero(a, false, beta, 1); !agree(loss, 0.5, 1e-6) || !agree(c/beta, -0.25, 1e-6) {
		t.Errorf("APO-zero %g, %g", loss, c/beta)
	}
}

// TestLossesByHand has figures that were worked out on paper: σ(ln 3) = 3/4.
func TestLossesByHand(t *testing.T) {
	x := math.Log(3)
	if loss, c, d := DPO(Likelihood{-1 + x, -1}, Likelihood{-7 - x, -7}, 0.5, 0); !agree(loss, math.Log(4.0/3), 1e-12) || !agree(c, 0.125, 1e-12) || !agree(d, -0.125, 1e-12) {
		t.Errorf("DPO %g, %g, %g", loss, c, d)
	}
	if loss, c := KTO(Likelihood{-5 + x + 2, -5}, true, 2, 1, 2); !agree(loss, 0.5, 1e-12) || !agree(c, 0.375, 1e-12) {
		t.Errorf("KTO, good: %g, %g", loss, c)
	}
	if loss, c := KTO(Likelihood{-5 + x + 2, -5}, false, 2, 1, 2); !agree(loss, 1.5, 1e-12) || !agree(c, -0.375, 1e-12) {
		t.Errorf("KTO, bad: %g, %g", loss, c)
	}
	if loss, c := APOZero(Likelihood{-5 - x, -5}, true, 1, 1); !agree(loss, 0.75, 1e-12) || !agree(c, 0.1875, 1e-12) {
		t.Errorf("APO-zero %g, %g", loss, c)
	}
	for _, c := range []struct {
		list []Likelihood
		want float64
	}{{nil, 0}, {[]Likelihood{{-2, -3}, {-2, -5}}, 2}, {[]Likelihood{{-4, -3}, {-9, -5}}, 0}, {[]Likelihood{{-4, -3}, {-1, -5}}, 1.5}} {
		if got := Baseline(c.list); got != c.want {
			t.Errorf("baseline of %v is %g, want %g", c.list, got, c.want)
		}
	}
}

// TestLossesFarOut: margins of thousands of nats give finite losses, and coefficients that push no further.
func TestLossesFarOut(t *testing.T) {
	far, zero := Likelihood{-1, -5000}, Likelihood{-5000, -1}
	loss, c, d := DPO(far, zero, 1, 0)
	if loss != 0 || c != 0 || d != 0 {
		t.Errorf("a preference that is learned: %g, %g, %g", loss, c, d)
	}
	if loss, c, d = DPO(zero, far, 1, 0); loss != 9998 || c != 1 || d != -1 {
		t.Errorf("a preference that is turned round: %g, %g, %g", loss, c, d)
	}
	for _, good := range []bool{true, false} {
		for _, l := range []Likelihood{far, zero} {
			if loss, c := KTO(l, good, 0, 1, 1); (loss != 0 && loss != 1) || c != 0 {
				t.Errorf("KTO of %+v, good %t: %g, %g", l, good, loss, c)
			}
		}
	}
	if got := logSigmoid(-40); math.Abs(got+40) > 1e-12 || logSigmoid(40) == 0 || sigmoid(-40) == 0 {
		t.Errorf("log σ(−40) = %g, log σ(40) = %g, σ(−40) = %g", got, logSigmoid(40), sigmoid(-40))
	}
}
