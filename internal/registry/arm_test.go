package registry

import (
	"fmt"
	"math"
	"testing"
)

// TestArm: a share is a share of the subjects, a growing one only adds some, and without a canary all have the champion.
func TestArm(t *testing.T) {
	a := Activation{Track: "t", Digest: "sha256:aa", Number: 1, Candidate: "sha256:bb", CandidateNumber: 2, Share: 0.05}
	had := map[string]bool{}
	for _, share := range []float64{0.05, 0.25, 0.9} {
		a.Share = share
		count := 0
		for i := range 4000 {
			who := fmt.Sprintf("person %d", i)
			switch ref := a.Arm(who); {
			case ref.Digest == "sha256:bb" && ref.Number == 2 && ref.Track == "t":
				count++
				had[who] = true
			case ref.Digest != "sha256:aa" || ref.Number != 1 || had[who]:
				t.Fatalf("at %g %s has %v, and had the candidate %v", share, who, ref, had[who])
			}
		}
		if d := float64(count)/4000 - share; math.Abs(d) > 4*math.Sqrt(share*(1-share)/4000) {
			t.Errorf("at %g the candidate is given to %d of 4000", share, count)
		}
	}
	if p := place("sha256:bb", "person 1"); math.Abs(p-placeOfPersonOne) > 1e-15 { // other places would give running trials other people
		t.Errorf("the place of person 1 is %.17g", p)
	}
	if ref := (Activation{Track: "t", Digest: "sha256:aa", Number: 1}).Arm("person 1"); ref.Digest != "sha256:aa" {
		t.Errorf("without a canary %v", ref)
	}
}

// placeOfPersonOne is the first 53 bits of sha256("sha256:bb\x00person 1"), by another program.
const placeOfPersonOne = 0.21850400924025115
