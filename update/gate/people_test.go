package gate

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"nightshift/internal/stats"
)

// TestFewPeopleAreNamed: who stands behind the gain is said, and too few of them as well.
func TestFewPeopleAreNamed(t *testing.T) {
	for count, want := range map[int]string{0: "(30 examples):", 1: "(30 examples of one person, too few to tell", 2: "of 2 people, too few to tell", 3: "(30 examples of 3 people):"} {
		e, ev, l := good()
		for i := range e.Gain.Tokens {
			if count > 0 {
				e.Gain.People = append(e.Gain.People, 7+i%count)
			}
		}
		v := Judge(e, ev, l)
		if !v.Pass || !strings.Contains(v.Checks[0].Detail, want) {
			t.Errorf("of %d people: %+v", count, v.Checks[0])
		}
	}
}

// TestGainIsNeverNarrowerForPeople: that all examples come from one person, or each from another, does not help.
func TestGainIsNeverNarrowerForPeople(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible, not secret
	for range 50 {
		e, _, l := good()
		e.Gain = set("heldout", 12, 20, func(int) float64 { return -1 + 3*r.NormFloat64() })
		alone := gain(e.Gain, false, l)
		for range e.Gain.Tokens {
			e.Gain.People = append(e.Gain.People, r.IntN(4))
		}
		if c := gain(e.Gain, false, l); c.Low > alone.Low || c.High < alone.High || c.Value != alone.Value {
			t.Fatalf("with people %+v, without %+v", c, alone)
		}
	}
}

// TestPeopleBootstrapCoverage draws people who differ more among each other than their own examples do. The interval over
// examples misses the known mean far too often; the one over people about as often as it says.
func TestPeopleBootstrapCoverage(t *testing.T) {
	const trials, persons, each, want = 300, 30, 8, 0.25
	r := rand.New(rand.NewPCG(21, 22)) //nolint:gosec // reproducible, not secret
	missed, missedAlone := 0, 0
	for trial := range trials {
		var values []float64
		var tokens, people []int
		for person := range persons {
			own := want + r.NormFloat64()
			for range each {
				values, tokens, people = append(values, 10*(own+0.3*r.NormFloat64())), append(tokens, 10), append(people, person)
			}
		}
		sums, counts := byPerson(values, tokens, people)
		if _, low, high := stats.Ratio(sums, counts, 400, uint64(trial), side); want < low || want > high {
			missed++
		}
		if _, low, high := stats.Ratio(values, tokens, 400, uint64(trial), side); want < low || want > high {
			missedAlone++
		}
	}
	if missed < 5 || missed > 36 || missedAlone < trials/4 {
		t.Errorf("of %d intervals over people %d missed, about 15 are expected; over examples %d", trials, missed, missedAlone)
	}
}

func TestByPerson(t *testing.T) {
	sums, counts := byPerson([]float64{1, 2, 3, 4}, []int{10, 20, 30, 40}, []int{5, -1, 5, 0})
	if len(sums) != 3 || math.Abs(sums[0]-4) > 1e-12 || sums[1] != 2 || sums[2] != 4 || counts[0] != 40 || counts[1] != 20 || counts[2] != 40 {
		t.Errorf("sums %v, tokens %v", sums, counts)
	}
}

// TestGainByQuestions holds the interval to the examples where other wordings of the same questions are what is measured: two people
// cannot say whether others gain, and are not asked to.
func TestGainByQuestions(t *testing.T) {
	l := Defaults()
	l.MinExamples, l.MinAge = 1, 0
	p := Paired{Name: "heldout", Tokens: []int{10, 12, 9, 11, 10, 12}, People: []int{0, 0, 0, 1, 1, 1}, Corrected: []bool{true, true, true, true, true, true},
		Champion: []float64{30, 35, 28, 20, 18, 24}, Candidate: []float64{5, 6, 4, 9, 8, 10}}
	if c := gain(p, false, l); c.Pass || !strings.Contains(c.Detail, "of 2 people, too few to tell") {
		t.Errorf("held out by people: %+v", c)
	}
	c := gain(p, true, l)
	if !c.Pass || !strings.Contains(c.Detail, "other wordings of questions that were learned") {
		t.Errorf("held out by questions: %+v", c)
	}
	p.Candidate = p.Champion
	if c := gain(p, true, l); c.Pass {
		t.Errorf("no gain passes: %+v", c)
	}
}
