package train

import (
	"reflect"
	"strings"
	"testing"
)

// TestChangedSuffix was worked out token by token: 3 tokens of prompt, then the completions.
func TestChangedSuffix(t *testing.T) {
	prompt := []int32{1, 2, 3}
	for _, c := range []struct {
		name             string
		chosen, rejected []int32
		start            int     // of what carries loss in both
		want, other      []int32 // the tokens that carry loss
	}{
		{"a number in the middle", []int32{10, 11, 45, 12, 0}, []int32{10, 11, 30, 12, 0}, 5, []int32{45, 12, 0}, []int32{30, 12, 0}},
		{"all of it", []int32{20, 0}, []int32{10, 0}, 3, []int32{20, 0}, []int32{10, 0}},
		{"something added at the end", []int32{10, 11, 0}, []int32{10, 0}, 4, []int32{11, 0}, []int32{0}},
		{"something left out at the end", []int32{10, 0}, []int32{10, 11, 0}, 4, []int32{0}, []int32{11, 0}},
		{"an answer that was cut off", []int32{10, 11, 12, 0}, []int32{10, 11}, 5, []int32{12, 0}, nil},
		{"what is the same comes again after the change", []int32{10, 10, 0}, []int32{11, 10, 0}, 3, []int32{10, 10, 0}, []int32{11, 10, 0}},
	} {
		for _, changedOnly := range []bool{true, false} {
			p, err := NewPreference("it", prompt, c.chosen, c.rejected, changedOnly)
			if err != nil {
				t.Fatal(err)
			}
			start, want, other := c.start, c.want, c.other
			if !changedOnly {
				start, want, other = 3, c.chosen, c.rejected
			}
			if p.Chosen.Prompt != start || p.Rejected.Prompt != start || p.Weight != 1 || p.ID != "it" || p.Chosen.ID == p.Rejected.ID {
				t.Errorf("%s: %+v, want prompts of %d", c.name, p, start)
			}
			if got := lossTokens(p.Chosen.Sequence); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, changed only %t: chosen has loss on %v, want %v", c.name, changedOnly, got, want)
			}
			if got := lossTokens(p.Rejected.Sequence); !reflect.DeepEqual(got, other) {
				t.Errorf("%s, changed only %t: rejected has loss on %v, want %v", c.name, changedOnly, got, other)
			}
		}
	}
	p, err := NewPreference("it", prompt, []int32{10, 11, 45, 12, 0}, []int32{10, 11, 30, 0}, true)
	if err != nil {
		t.Fatal(err)
	}
	b := Pack([]Sequence{p.Chosen.Sequence, p.Rejected.Sequence}, 2, 8)[0]
	if !reflect.DeepEqual(b.LossIndex, []int64{4, 5, 6, 8 + 4, 8 + 5}) || !reflect.DeepEqual(b.TargetIDs, []int64{45, 12, 0, 30, 0}) {
		t.Errorf("loss at %v, of %v", b.LossIndex, b.TargetIDs)
	}
}

// lossTokens are the tokens of a sequence that carry loss in a batch.
func lossTokens(s Sequence) []int32 {
	var list []int32
	for _, b := range Pack([]Sequence{s}, 1, 16) {
		for _, o := range b.Origin {
			list = append(list, s.Tokens[o.Token])
		}
	}
	return list
}

func TestPreferenceRefuses(t *testing.T) {
	for _, c := range []struct {
		prompt, chosen, rejected []int32
		want                     string
	}{
		{nil, []int32{1}, []int32{2}, "no prompt"},
		{[]int32{1}, []int32{2, 3}, []int32{2, 3}, "same 2 tokens"},
		{[]int32{1}, nil, nil, "same 0 tokens"},
	} {
		if _, err := NewPreference("p7", c.prompt, c.chosen, c.rejected, true); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "p7") {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
