package bench

// Interval is an interval for a median (stats.MedianInterval), with the probability that it holds it.
type Interval struct {
	Low, High float64
	Coverage  float64
}

// Judgement says how an interval lies to a threshold.
type Judgement string

// The judgements.
const (
	Pass      Judgement = "pass"      // all of the interval is on the right side
	Fail      Judgement = "fail"      // all of it is on the wrong side
	Undecided Judgement = "undecided" // the threshold is inside, or there are fewer than six values: measure more blocks
)

// confidence is that of all intervals here.
const confidence = 0.95

// Judge compares an interval with what it must at least and at most be; 0 asks nothing. An interval that covers with less
// than 95 % decides nothing.
func Judge(i Interval, atLeast, atMost float64) Judgement {
	if atLeast == 0 && atMost == 0 {
		return ""
	}
	if i.Coverage < confidence {
		return Undecided
	}
	judgement := Pass
	for _, side := range []struct {
		asked       bool
		wrong, pass bool
	}{{atLeast != 0, i.High < atLeast, i.Low >= atLeast}, {atMost != 0, i.Low > atMost, i.High <= atMost}} {
		switch {
		case side.asked && side.wrong:
			return Fail
		case side.asked && !side.pass:
			judgement = Undecided
		}
	}
	return judgement
}
