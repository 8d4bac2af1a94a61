package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"nightshift/internal/longtest"
)

func TestHeldOutNeeded(t *testing.T) {
	for _, c := range []struct {
		p     float64
		night int
		want  int
	}{{0.05, 0, 6}, {0.05, 1, 6}, {0.05, 2, 7}, {0.05, 30, 15}, {0.0625, 1, 5}, {0.5, 1, 2}, {1, 1, 1}, {0.001, 1, 11}} {
		l := Limits{Thresholds: Thresholds{SignTest: c.p}, Night: c.night}
		n := l.HeldOut()
		if n != c.want || math.Pow(0.5, float64(n)) > l.level(c.p)+1e-12 || math.Pow(0.5, float64(n-1)) <= l.level(c.p) {
			t.Errorf("for p %g in night %d: %d examples, want %d", c.p, c.night, n, c.want)
		}
	}
	if n := (Limits{}).HeldOut(); n < 1<<30 {
		t.Errorf("without a limit that anything could meet %d examples are enough", n)
	}
}

func TestLevelsAddUp(t *testing.T) {
	sum := 0.0
	for night := 1; night <= 100_000; night++ {
		level := Limits{Night: night}.level(0.05)
		if sum += level; level <= 0 || sum > 0.05 {
			t.Fatalf("night %d spends %g, all so far %g", night, level, sum)
		}
	}
	if sum < 0.0499 {
		t.Errorf("all nights spend %g of 0.05", sum)
	}
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 102: "102nd", 111: "111th"} {
		if got := ordinal(n); got != want {
			t.Errorf("%d is the %s, want %s", n, got, want)
		}
	}
}

// TestNightIsNamed: from the second night on the verdict says which it is, and how wide the interval is.
func TestNightIsNamed(t *testing.T) {
	e, ev, l := good()
	for night, want := range map[int]string{1: "95 % interval", 2: "98.3333 % interval", 9: "; the 9th night"} {
		l.Night = night
		if v := Judge(e, ev, l); !v.Pass || !strings.Contains(v.Checks[0].Detail, want) || night == 1 && strings.Contains(v.Checks[0].Detail, "night that judges") {
			t.Errorf("night %d: %+v", night, v.Checks[0])
		}
	}
}

// season simulates thirty nights of candidates that are better by gain nats per token in the mean, and returns the first that
// passes, 0 when none does. Every night reuses a part of the evidence of the night before.
func season(r *rand.Rand, gained float64, reuse float64, spend bool) int {
	const nights, examples = 30, 40
	tokens, hardness := make([]int, examples), make([]float64, examples)
	for night := 1; night <= nights; night++ {
		p := Paired{Name: "heldout"}
		for i := range examples {
			if night == 1 || r.Float64() >= reuse {
				tokens[i], hardness[i] = 5+r.IntN(20), r.NormFloat64()
			}
			n := float64(tokens[i])
			p.Tokens, p.Champion = append(p.Tokens, tokens[i]), append(p.Champion, 3*n)
			p.Candidate = append(p.Candidate, 3*n-gained*n-math.Sqrt(n)*(0.6*hardness[i]+0.8*r.NormFloat64()))
		}
		l := Defaults()
		l.Resamples = 200
		if l.Seed = r.Uint64(); spend {
			l.Night = night
		}
		if gain(p, false, l).Pass {
			return night
		}
	}
	return 0
}

// TestFamilyOfNights simulates seasons of thirty nights. Of candidates that are no better, hardly any season has one that passes,
// also when nights share most of their evidence; at a fixed level it would be three in ten. Candidates that are clearly better pass in
// the first nights.
func TestFamilyOfNights(t *testing.T) {
	const seasons = 400
	r := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // reproducible, not secret
	for _, c := range []struct {
		gain, reuse float64
		spend       bool
		low, high   float64
	}{{0, 0, false, 0.2, 1}, {0, 0, true, 0, 0.05}, {0, 0.9, true, 0, 0.05}, {-0.05, 0.9, true, 0, 0.02}, {0.2, 0.9, true, 0.95, 1}} {
		passed := 0
		for range seasons {
			if season(r, c.gain, c.reuse, c.spend) > 0 {
				passed++
			}
		}
		share := float64(passed) / seasons
		name := fmt.Sprintf("gain %g, %g of the evidence reused, levels spent %v", c.gain, c.reuse, c.spend)
		t.Logf("%s: a candidate passes in %.3f of the seasons", name, share)
		if share < c.low || share > c.high {
			t.Errorf("%s: a candidate passes in %.3f of the seasons, want %g to %g", name, share, c.low, c.high)
		}
	}
}

// TestPowerIsKept: late in a season a gain that four of five examples show still passes, if less often.
func TestPowerIsKept(t *testing.T) {
	longtest.Skip(t)
	const trials, examples = 100, 60
	r := rand.New(rand.NewPCG(9, 10)) //nolint:gosec // reproducible, not secret
	for _, c := range []struct{ night, want int }{{1, 97}, {10, 80}, {30, 60}} {
		passed := 0
		for range trials {
			e := set("heldout", examples, 20, func(int) float64 { return 10 * (-0.25 + 0.3*r.NormFloat64()) })
			l := Defaults()
			l.Night, l.Seed = c.night, r.Uint64()
			if gain(e, false, l).Pass {
				passed++
			}
		}
		t.Logf("night %d: %d of %d pass", c.night, passed, trials)
		if passed < c.want {
			t.Errorf("in night %d %d of %d clearly better candidates pass, want %d", c.night, passed, trials, c.want)
		}
	}
}

// TestFamilyOfFewPeople simulates seasons in which five people say all that is held out, and differ more among each other than
// what each of them says.
func TestFamilyOfFewPeople(t *testing.T) {
	const seasons, nights, people, each = 150, 30, 5, 8
	r := rand.New(rand.NewPCG(11, 12)) //nolint:gosec // reproducible, not secret
	passed := 0
	for range seasons {
		found := false
		for night := 1; night <= nights; night++ {
			p := Paired{Name: "heldout"}
			for person := range people {
				own := 0.3 * r.NormFloat64()
				for range each {
					n := 5 + r.IntN(20)
					p.Tokens, p.People = append(p.Tokens, n), append(p.People, person)
					p.Champion, p.Candidate = append(p.Champion, 0), append(p.Candidate, float64(n)*own+math.Sqrt(float64(n))*r.NormFloat64())
				}
			}
			l := Defaults()
			l.Resamples, l.Seed, l.Night = 200, r.Uint64(), night
			found = found || gain(p, false, l).Pass
		}
		if found {
			passed++
		}
	}
	t.Logf("a candidate passes in %d of %d seasons", passed, seasons)
	if passed > seasons/10 { // 5 % are allowed, which is 8; resampling people alone gives 66
		t.Errorf("a candidate that is no better passes in %d of %d seasons", passed, seasons)
	}
}
