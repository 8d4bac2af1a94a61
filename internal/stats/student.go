package stats

import "math"

// RatioMargin is how far the interval of the ratio Σ values / Σ counts reaches to either side when it leaves out tail there: Student's t with
// one degree of freedom less than there are groups, times the linearised standard error (Cochran 1977, section 6.4). It needs two
// groups.
func RatioMargin(values []float64, counts []int, tail float64) float64 {
	groups := float64(len(values))
	sum, all := 0.0, 0.0
	for i, v := range values {
		sum, all = sum+v, all+float64(counts[i])
	}
	squares := 0.0
	for i, v := range values {
		e := v - sum/all*float64(counts[i])
		squares += e * e
	}
	return Student(tail, groups-1) * math.Sqrt(groups/(groups-1)*squares) / all
}

// Student is the value that Student's t with so many degrees of freedom is above with probability tail, below a half.
func Student(tail, degrees float64) float64 {
	above := func(t float64) float64 { return 0.5 * beta(degrees/(degrees+t*t), degrees/2, 0.5) }
	low, high := 0.0, 1.0
	for above(high) > tail && high < 1e150 {
		low, high = high, 2*high
	}
	for range 200 {
		middle := low + (high-low)/2
		if above(middle) > tail {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// beta is the regularised incomplete beta function I_x(a, b), for x in 0…1 and positive a and b, by its continued fraction
// (Abramowitz & Stegun 1964, 26.5.8), evaluated forwards as Lentz (1976) does.
func beta(x, a, b float64) float64 {
	if x <= 0 || x >= 1 {
		return min(1, max(0, x))
	}
	if x > (a+1)/(a+b+2) { // there the fraction of the mirrored function converges faster
		return 1 - beta(1-x, b, a)
	}
	const tiny = 1e-300
	fraction, c, d := 1.0, 1.0, 0.0
	for i := range 500 {
		m, term := float64(i/2), 1.0
		switch {
		case i == 0:
		case i%2 == 0:
			term = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			term = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		if d = 1 + term*d; math.Abs(d) < tiny {
			d = tiny
		}
		if c = 1 + term/c; math.Abs(c) < tiny {
			c = tiny
		}
		d = 1 / d
		fraction *= c * d
		if math.Abs(1-c*d) < 1e-14 {
			break
		}
	}
	front, _ := math.Lgamma(a + b)
	first, _ := math.Lgamma(a)
	second, _ := math.Lgamma(b)
	return math.Exp(front-first-second+a*math.Log(x)+b*math.Log1p(-x)) * (fraction - 1) / a
}
