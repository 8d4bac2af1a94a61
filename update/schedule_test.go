package update

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/replaystore/redisstore"
	"nightshift/replaystore/replaytest"
	"nightshift/update/night"
	"nightshift/update/nighttest"
)

// wallClock is a clock that stands still while anybody is awake. Several updaters may sleep by it.
type wallClock struct {
	mu       sync.Mutex
	now      time.Time
	sleepers map[chan struct{}]time.Time
	changed  chan struct{} // tells that somebody fell asleep
}

func newWallClock(now time.Time) *wallClock {
	return &wallClock{now: now, sleepers: map[chan struct{}]time.Time{}, changed: make(chan struct{}, 1)}
}

func (c *wallClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// sleep is an updater's sleep.
func (c *wallClock) sleep(ctx context.Context, until time.Time) error {
	wake := make(chan struct{})
	c.mu.Lock()
	c.sleepers[wake] = until
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
	select {
	case <-wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass lets time go by until the end, from one that somebody sleeps for to the next, each when n sleep.
func (c *wallClock) pass(n int, end time.Time) {
	for {
		c.mu.Lock()
		if len(c.sleepers) == n {
			next := slices.MinFunc(slices.Collect(maps.Values(c.sleepers)), time.Time.Compare)
			if next.After(end) {
				c.now = end
				c.mu.Unlock()
				return
			}
			c.now = next
			for wake, until := range c.sleepers {
				if !until.After(next) {
					delete(c.sleepers, wake)
					close(wake)
				}
			}
		}
		c.mu.Unlock()
		<-c.changed
	}
}

// TestScheduledNights has the updater follow schedules by a clock of ours, over the days on which the clocks of ten zones change.
func TestScheduledNights(t *testing.T) {
	for _, test := range []struct {
		zone    string
		changes [2]string    // days on which the clocks are put on and back
		at      [3][2]string // schedules, and the night that each must have on those days
	}{
		{"Europe/Berlin", [2]string{"2027-03-28", "2027-10-31"}, [3][2]string{
			{"0 3 * * *", "01:00 02:00"}, {"30 2 * * *", "01:00 00:30"}, {"0 2 * * *", "01:00 00:00"}}},
		{"Europe/Helsinki", [2]string{"2027-03-28", "2027-10-31"}, [3][2]string{
			{"0 3 * * *", "01:00 00:00"}, {"59 3 * * *", "01:00 00:59"}, {"0 4 * * *", "01:00 02:00"}}},
		{"Europe/Lisbon", [2]string{"2027-03-28", "2027-10-31"}, [3][2]string{
			{"0 1 * * *", "01:00 00:00"}, {"30 1 * * *", "01:00 00:30"}, {"0 3 * * *", "02:00 03:00"}}},
		{"America/New_York", [2]string{"2027-03-14", "2027-11-07"}, [3][2]string{
			{"30 2 * * *", "07:00 07:30"}, {"30 1 * * *", "06:30 05:30"}, {"0 3 * * *", "07:00 08:00"}}},
		{"America/Havana", [2]string{"2027-03-14", "2027-11-07"}, [3][2]string{
			{"0 0 * * *", "05:00 04:00"}, {"30 0 * * *", "05:00 04:30"}, {"0 3 * * *", "07:00 08:00"}}},
		{"America/Santiago", [2]string{"2027-09-05", "2027-04-03"}, [3][2]string{
			{"0 0 * * *", "04:00 03:00"}, {"30 23 * * *", "03:30 02:30"}, {"30 0 * * *", "04:00 03:30"}}},
		{"Asia/Beirut", [2]string{"2027-03-28", "2027-10-30"}, [3][2]string{
			{"0 0 * * *", "22:00 21:00"}, {"30 23 * * *", "21:30 20:30"}, {"30 0 * * *", "22:00 21:30"}}},
		{"Africa/Cairo", [2]string{"2027-04-30", "2027-10-28"}, [3][2]string{
			{"0 0 * * *", "22:00 21:00"}, {"30 23 * * *", "21:30 20:30"}, {"15 0 * * *", "22:00 21:15"}}},
		{"Australia/Lord_Howe", [2]string{"2027-10-03", "2027-04-04"}, [3][2]string{
			{"0 2 * * *", "15:30 15:30"}, {"45 1 * * *", "15:15 14:45"}, {"15 2 * * *", "15:30 15:45"}}},
		{"Pacific/Auckland", [2]string{"2027-09-26", "2027-04-04"}, [3][2]string{
			{"0 2 * * *", "14:00 13:00"}, {"30 2 * * *", "14:00 13:30"}, {"0 3 * * *", "14:00 15:00"}}},
	} {
		t.Run(test.zone, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(test.zone)
			if err != nil {
				t.Fatal(err)
			}
			for i, day := range test.changes {
				noon, err := time.ParseInLocation(time.DateOnly+" 15", day+" 12", zone)
				if err != nil {
					t.Fatal(err)
				}
				s := newShop(t, t.TempDir())
				s.config.Tracks = map[string]night.Settings{}
				var want []string
				for k, at := range test.at {
					track := fmt.Sprintf("track%d", k)
					set := s.config.Settings
					set.Schedule, set.TimeZone = at[0], test.zone
					s.config.Tracks[track] = set
					want = append(want, track+" "+strings.Fields(at[1])[i])
				}
				if got := s.nights(newWallClock(noon.AddDate(0, 0, -1)), len(want), noon); strings.Join(got, ", ") != strings.Join(want, ", ") {
					t.Errorf("on %s the nights are %v, want %v", day, got, want)
				}
			}
		})
	}
}

// nights runs an updater by a clock until the end and returns the tracks and times of the nights that it ran.
func (s *shop) nights(clock *wallClock, schedules int, end time.Time) []string {
	s.Helper()
	s.deps.Now = clock.Now
	u, ended := s.background(clock.sleep)
	clock.pass(schedules, end)
	u.mu.Lock()
	begun := len(u.known)
	u.mu.Unlock()
	var got []string
	for range begun {
		n := <-ended
		got = append(got, n.Track+" "+n.ID[9:11]+":"+n.ID[11:13])
		if n.By != "schedule" {
			s.Errorf("night %s is by %s", n.ID, n.By)
		}
	}
	slices.Sort(got)
	return got
}

// TestTwoUpdatersWithOneSchedule is two updaters over one Redis and one registry, each with connections of its own, that follow
// one schedule: every night runs once, in whichever it is.
func TestTwoUpdatersWithOneSchedule(t *testing.T) {
	redis := replaytest.StartRedis(t)
	dir := t.TempDir()
	begin := time.Date(2027, 2, 28, 12, 0, 0, 0, time.UTC) // a Sunday
	clock := newWallClock(begin)
	var ended [2]<-chan nightrecord.Night
	var updaters [2]*Updater
	var reg *registry.Registry
	for i := range updaters {
		s := newShop(t, t.TempDir())
		s.config.Schedule, s.config.TimeZone = "0 3 * * *", "Europe/Berlin"
		other := s.config.Settings
		other.Schedule = "0 3 * * 1"
		s.config.Tracks = map[string]night.Settings{"support": other}
		store, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{redis.Addr}, Dir: filepath.Join(t.TempDir(), "journal"), Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		if reg, err = registry.Open(dir, nil); err != nil {
			t.Fatal(err)
		}
		s.deps.Store, s.deps.Registry, s.deps.Now = store, reg, clock.Now
		if err := store.Append(t.Context(), replaystore.Event{Interaction: &replaystore.Interaction{ID: replaystore.NewID(), Track: registry.Default, Time: begin, Messages: nighttest.Raw("hello"), Answer: "hi"}}); err != nil {
			t.Fatal(err)
		}
		updaters[i], ended[i] = s.background(clock.sleep)
	}
	clock.pass(4, begin.AddDate(0, 0, 2))
	const nights = 2 + 1 // of the default track and of support
	seen := map[string]int{}
	for range nights {
		select {
		case n := <-ended[0]:
			seen[n.ID]++
		case n := <-ended[1]:
			seen[n.ID]++
		}
	}
	for _, u := range updaters { // whatever else is queued has been looked at when the queue is empty and nobody holds the lease of the track
		for len(u.queue) > 0 {
			unlock, err := u.exclusive(t.Context(), registry.Default)
			if err != nil {
				t.Fatal(err)
			}
			unlock()
		}
	}
	ids, err := reg.ListNights()
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != nights || len(ids) != nights {
		t.Errorf("%d nights, %v, of which ran %v; want %d", len(ids), ids, seen, nights)
	}
	if want := "20270301-020000-schedule-default"; ids[0] != want {
		t.Errorf("the first night is %s, want %s", ids[0], want)
	}
	select {
	case n := <-ended[0]:
		t.Errorf("one more night: %s", n.ID)
	case n := <-ended[1]:
		t.Errorf("one more night: %s", n.ID)
	default:
	}
}

// TestWarmStartsAreDueLast: after the tracks that they are made of, without those that have settings of their own.
func TestWarmStartsAreDueLast(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.config.WarmStart.Track = "warm-start"
	own := s.config.Settings
	own.WarmStart.Track = "other"
	s.config.Tracks = map[string]night.Settings{"beta": own, "gamma": s.config.Settings}
	for _, track := range []string{"alpha", "beta", "gamma"} {
		s.CreateTrack(track)
		s.Remember(track, 1)
	}
	if got := s.updater().due(t.Context(), ""); !slices.Equal(got, []string{"alpha", "other", "warm-start"}) {
		t.Errorf("due are %v", got)
	}
}

// TestNightOfAnother is a night whose directory is there before its updater begins: on a file system on which a lease does
// not hold, that the directory is made once decides.
func TestNightOfAnother(t *testing.T) {
	s := newShop(t, t.TempDir())
	u := s.updater()
	id := nightrecord.ScheduledID(s.Now, registry.Default)
	if err := s.Registry.CreateNight(id); err != nil {
		t.Fatal(err)
	}
	if _, err := u.run(t.Context(), night.Request{Night: id, Track: registry.Default, By: "schedule", Scheduled: true}); err != nil {
		t.Fatal(err)
	}
	if files, err := s.Registry.NightFiles(id); err != nil || len(files) > 0 {
		t.Errorf("the night of another has files %v, %v", files, err)
	}
}
