package bench

import (
	"strings"
	"testing"

	"nightshift/internal/conversion"
	"nightshift/lab/pretrain"
)

// marks are answers to questions about facts and to foreign ones: + is right.
func marks(facts, foreign string) (list []pretrain.Marked) {
	for _, c := range facts {
		list = append(list, pretrain.Marked{Fact: "hours", Right: c == '+'})
	}
	for _, c := range foreign {
		list = append(list, pretrain.Marked{Right: c == '+'})
	}
	return list
}

// TestQuantizeJudges fails a format that loses too much, or too many of the facts that float32 knows; those that it did not know do
// not count.
func TestQuantizeJudges(t *testing.T) {
	kept := conversion.Report{Change: 0.004, Limit: 0.005, Kept: true}
	lossy, refused := kept, kept
	lossy.Change = 0.006
	refused.Kept = false
	all := strings.Repeat("+", 20)
	for _, test := range []struct {
		name          string
		report        conversion.Report
		before, after []pretrain.Marked
		want          Judgement
	}{
		{"nothing is lost", kept, marks(all+"-", "+"), marks(all+"-", "-"), Pass},
		{"one of twenty", kept, marks(all+"-", ""), marks("-"+all[1:]+"-", ""), Pass},
		{"two of twenty, another is new", kept, marks(all+"-", ""), marks("--"+all[2:]+"+", ""), Fail},
		{"nats", lossy, marks(all, ""), marks(all, ""), Fail},
		{"not kept", refused, marks(all, ""), nil, Fail},
	} {
		if got := judgeQuality(test.report, test.before, test.after); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	var summary Result
	opt := QuantizeOptions{Options: Options{Weights: []string{"int8", "int4"}}}
	err := opt.conclude([]Result{
		{Case: Shipped, Weights: "int8", Judgement: Pass, Figures: []Number{{"change_over_limit", -0.2}, {"facts_kept", 0.98}}},
		{Case: Outliers, Weights: "int4", Judgement: Fail, Figures: []Number{{"change_over_limit", 0.5}, {"facts_kept", 0.9}}},
	}, func(r Result) error { summary = r; return nil })
	if err == nil || !strings.Contains(err.Error(), "outliers in int4 loses 0.50 times") || !strings.Contains(err.Error(), "90.0 % of the right facts") || strings.Contains(err.Error(), "int8") {
		t.Errorf("the error is %v", err)
	}
	if change, _ := summary.Figure("change_over_limit"); change != 0.5 || summary.Judgement != Fail || !summary.Summary {
		t.Errorf("the summary is %+v", summary)
	}
}
