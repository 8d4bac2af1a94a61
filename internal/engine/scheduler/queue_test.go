package scheduler

import (
	"testing"
	"time"
)

// TestPace checks the estimate of when there is room again, on a clock of the test's.
func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	if got := p.wait(1 << 20); got != minRetry {
		t.Errorf("nothing is known: %s", got)
	}
	p.resume(now)
	for range 100 {
		now = now.Add(time.Second / 2)
		p.take(now, 50) // 100 a second
	}
	for tokens, want := range map[int]time.Duration{0: time.Second, 50: time.Second, 950: 10 * time.Second, 2950: 30 * time.Second, 1 << 30: time.Minute} {
		if got := p.wait(tokens); got < want-time.Second || got > want+time.Second {
			t.Errorf("wait for %d tokens at 100 a second: %s, want about %s", tokens, got, want)
		}
	}
	p.resume(now.Add(time.Hour)) // nobody waited for an hour: the pace is what it was
	p.take(now.Add(time.Hour+time.Second/2), 50)
	if got := p.wait(2950); got < 29*time.Second || got > 31*time.Second {
		t.Errorf("after a pause: %s, want about 30 s", got)
	}
	for range 200 {
		now = now.Add(2 * time.Hour / 1000)
		p.take(now, 10)
	}
	if got := p.wait(200); got != time.Minute {
		t.Errorf("after it got slow: %s, want the limit", got)
	}
}

// TestRetryAfterHolds fills the queue with requests of all sizes, large ones first, and refuses one more; when what it was told
// has passed there is room for it, and not long before: the order in which the others start does not change how many tokens
// leave in a second.
func TestRetryAfterHolds(t *testing.T) {
	const perSecond = 200
	for size, places := range map[int]int{400: 1000, 10: 40} { // refused for its tokens, and for want of a place
		l := newLine(t)
		l.scheduler.cfg.MaxTokens, l.scheduler.cfg.MaxRequests = 4000, places
		step := func() {
			s := l.take()
			l.now = l.now.Add(time.Duration(s.Cost) * time.Second / perSecond)
		}
		for n := range 40 { // the pace becomes known
			l.add("a", 0, 10+n%5*40)
		}
		for range 39 {
			step()
		}
		full, ok := Load{}, true
		for n := 0; ok; n++ {
			cost := max(10, 190-n*4)
			if _, ok = l.scheduler.Reserve(1, cost, false); ok {
				l.scheduler.Withdraw([]*Sequence{{Cost: cost}})
				l.add(string(rune('a'+n%3)), n%2, cost)
			} else {
				full, ok = l.scheduler.Reserve(1, size, false)
			}
		}
		refused := l.now
		for !ok {
			step()
			_, ok = l.scheduler.Reserve(1, size, false)
		}
		if took := l.now.Sub(refused); took > full.RetryAfter+time.Second || took < full.RetryAfter/4 {
			t.Errorf("%d tokens and %d places: there is room after %s, the refusal said %s", size, places, took, full.RetryAfter)
		}
	}
}
