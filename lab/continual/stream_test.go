package continual

import (
	"math"
	"reflect"
	"testing"
)

func stream(t *testing.T, seed uint64, opt StreamOptions) []Round {
	t.Helper()
	rounds, err := Stream(Domains(), Final, seed, opt)
	if err != nil {
		t.Fatal(err)
	}
	return rounds
}

func TestStreamIsDeterministic(t *testing.T) {
	a := stream(t, 1, DefaultStream())
	if !reflect.DeepEqual(a, stream(t, 1, DefaultStream())) {
		t.Error("one seed gave two streams")
	}
	if reflect.DeepEqual(a, stream(t, 2, DefaultStream())) {
		t.Error("two seeds gave one stream")
	}
	for _, bad := range []StreamOptions{{}, {Rounds: 1}, {Rounds: 1, Size: 1, Delay: -1}} {
		if _, err := Stream(Domains(), Final, 1, bad); err == nil {
			t.Errorf("%+v made a stream", bad)
		}
	}
	if _, err := Stream(nil, Final, 1, DefaultStream()); err == nil {
		t.Error("no domains made a stream")
	}
}

// TestStreamFeedback: what is right agrees with the truth of the round it was asked in, a tenth is wrong, none comes early or
// more than Delay late, and nothing is lost but at the end.
func TestStreamFeedback(t *testing.T) {
	sameGoroutines(t)
	opt := DefaultStream()
	opt.Rounds, opt.Size = 40, 200
	rounds := stream(t, 3, opt)
	truth := make([]map[string]string, len(rounds))
	asked, came, wrong := 0, 0, 0
	late := make([]int, opt.Delay+1)
	for now, round := range rounds {
		truth[now] = map[string]string{}
		for _, f := range round.Truth {
			truth[now][f.Key()] = f.Value
		}
		for _, it := range round.Asked {
			if it.Fact.Value != truth[now][it.Fact.Key()] {
				t.Fatalf("round %d asks for %+v, which is %s then", now, it.Fact, truth[now][it.Fact.Key()])
			}
			if now < opt.Rounds-opt.Delay {
				asked++
			}
		}
		for _, f := range round.Feedback {
			delay := now - f.Asked
			if delay < 0 || delay > opt.Delay {
				t.Fatalf("feedback of round %d comes in round %d", f.Asked, now)
			}
			right := f.Item.Fact.Value == truth[f.Asked][f.Item.Fact.Key()]
			if right == f.Wrong {
				t.Fatalf("feedback %+v of round %d, where the value is %s, is wrong: %t", f.Item, f.Asked, truth[f.Asked][f.Item.Fact.Key()], f.Wrong)
			}
			if f.Asked < opt.Rounds-opt.Delay {
				came++
				late[delay]++
				if f.Wrong {
					wrong++
				}
			}
		}
	}
	if came != asked {
		t.Errorf("of %d questions %d got feedback", asked, came)
	}
	// Shares of about 7,600: four standard deviations are 1.4 % for a tenth and 2.2 % for a third.
	if share := float64(wrong) / float64(came); math.Abs(share-opt.Wrong) > 0.014 {
		t.Errorf("%.1f %% of %d are wrong, want %.0f %%", 100*share, came, 100*opt.Wrong)
	}
	for d, n := range late {
		if share := float64(n) / float64(came); math.Abs(share-1.0/3) > 0.022 {
			t.Errorf("%.1f %% come %d rounds late, want a third", 100*share, d)
		}
	}
}

// TestStreamDrifts: every domain has rounds in which it is asked about most, in the order given, and facts change in the
// middle half of the rounds, each once.
func TestStreamDrifts(t *testing.T) {
	sameGoroutines(t)
	opt := StreamOptions{Rounds: 20, Size: 400, Changes: 0.25}
	rounds := stream(t, 4, opt)
	var busiest []string
	for _, round := range rounds {
		count := map[string]int{}
		for _, it := range round.Asked {
			count[it.Fact.Domain]++
		}
		top := ""
		for name, n := range count {
			if top == "" || n > count[top] {
				top = name
			}
		}
		if len(busiest) == 0 || busiest[len(busiest)-1] != top {
			busiest = append(busiest, top)
		}
	}
	names := []string{}
	for _, d := range Domains() {
		names = append(names, d.Name)
	}
	if names = append(names, names[0]); !reflect.DeepEqual(busiest, names) {
		t.Errorf("most is asked about %v, want %v", busiest, names)
	}
	changed := map[string]int{}
	for now := 1; now < len(rounds); now++ {
		for i, f := range rounds[now].Truth {
			if before := rounds[now-1].Truth[i]; before != f {
				changed[f.Key()]++
				if now < opt.Rounds/4 || now >= opt.Rounds/4+opt.Rounds/2 || before.Key() != f.Key() {
					t.Errorf("round %d: %+v becomes %+v", now, before, f)
				}
			}
		}
	}
	for key, n := range changed {
		if n != 1 {
			t.Errorf("%s changes %d times", key, n)
		}
	}
	if want := len(rounds[0].Truth) / 4; len(changed) != want {
		t.Errorf("%d facts change, want %d", len(changed), want)
	}
}

func TestPopularity(t *testing.T) {
	for now := range 12 {
		sum := 0.0
		for _, p := range popularity(now, 12, 5) {
			sum += p
		}
		near(t, "sum of the popularity", sum, 1)
	}
	p := popularity(0, 12, 2)
	near(t, "ratio of the first to the opposite domain", p[0]/p[1], math.Exp(4))
}
