package work

import "testing"

func TestHoldsBlocked(t *testing.T) {
	for _, c := range []struct {
		text    string
		phrases []string
		want    bool
	}{
		{"You may Sue Us any time.", []string{"sue us"}, true},
		{"You may sue them.", []string{"sue us", "free money"}, false},
		{"anything", nil, false},
	} {
		if got := holdsBlocked(c.text, c.phrases); got != c.want {
			t.Errorf("%q with %q: %v", c.text, c.phrases, got)
		}
	}
}
