package schedule

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// zones change their clocks in the night, at midnight, in the evening before, by half an hour, or twice within a few weeks.
var zones = []string{
	"Europe/Berlin", "Europe/Helsinki", "America/New_York", "America/Havana", "America/Santiago", "Asia/Beirut", "Africa/Cairo",
	"Atlantic/Azores", "Australia/Lord_Howe", "America/Scoresbysund", "Africa/Casablanca", "Pacific/Auckland",
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(t testing.TB, fields string, z *time.Location) *Schedule {
	t.Helper()
	s, err := Parse(fields, z)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// changes are the moments of a year at which a zone's clocks are set.
func changes(z *time.Location, year int) []time.Time {
	var list []time.Time
	for t := time.Date(year, 1, 1, 12, 0, 0, 0, z); ; {
		_, t = t.ZoneBounds()
		if t.IsZero() || t.Year() > year {
			return list
		}
		list = append(list, t)
	}
}

func TestDueTimes(t *testing.T) {
	for _, test := range []struct{ fields, zone, now, want string }{
		{"0 3 28 3 *", "Europe/Helsinki", "2026-11-30T09:00:00Z", "2027-03-28T01:00:00Z"}, // 03:00 does not exist
		{"30 2 14 3 *", "America/New_York", "2026-11-30T09:00:00Z", "2027-03-14T07:00:00Z"},
		{"0 3 28 3 *", "Europe/Berlin", "2026-11-30T09:00:00Z", "2027-03-28T01:00:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z", "2027-10-31T00:30:00Z"}, // comes twice: the first
		{"30 2 * * *", "Europe/Berlin", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"}, // and not the second
		{"30 2 * * *", "Europe/Berlin", "2027-10-31T00:45:00Z", "2027-11-01T01:30:00Z"},
		{"0 0 * * *", "America/Havana", "2027-03-13T12:00:00Z", "2027-03-14T05:00:00Z"},       // midnight does not exist
		{"0 0 * * *", "America/Havana", "2027-11-06T12:00:00Z", "2027-11-07T04:00:00Z"},       // midnight comes twice
		{"0 0 * * *", "America/Havana", "2027-11-07T04:00:00Z", "2027-11-08T05:00:00Z"},       //
		{"0 0 * * *", "Africa/Cairo", "2027-10-28T12:00:00Z", "2027-10-28T22:00:00Z"},         // set back as midnight comes: 23:00 is shown twice, midnight once
		{"45 23 * * *", "Africa/Cairo", "2027-10-28T12:00:00Z", "2027-10-28T20:45:00Z"},       // the evening's last hour comes twice
		{"45 23 * * *", "Africa/Cairo", "2027-10-28T20:45:00Z", "2027-10-29T21:45:00Z"},       //
		{"15 2 * * *", "Australia/Lord_Howe", "2027-10-02T12:00:00Z", "2027-10-02T15:30:00Z"}, // half an hour is skipped
		{"0 12 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-30T10:00:00Z"},      // a whole day is skipped
		{"*/15 2 * * *", "Europe/Helsinki", "2027-03-28T00:45:00Z", "2027-03-28T23:00:00Z"},
		{"*/15 3 * * *", "Europe/Helsinki", "2027-03-28T00:45:00Z", "2027-03-28T01:00:00Z"}, // four skipped times are one
		{"*/15 3 * * *", "Europe/Helsinki", "2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"},
		{"0 3 29 2 *", "UTC", "2026-11-30T09:00:00Z", "2028-02-29T03:00:00Z"},
		{"0 3 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T03:00:00Z"},
		{"0 3 1 * 1", "UTC", "2026-11-30T09:00:00Z", "2026-12-01T03:00:00Z"}, // the first of a month, and every Monday
		{"0 3 1 * 1", "UTC", "2026-12-01T03:00:00Z", "2026-12-07T03:00:00Z"},
		{"0 3 * * 7", "UTC", "2026-11-30T09:00:00Z", "2026-12-06T03:00:00Z"},
		{"@daily", "Europe/Berlin", "2026-11-30T09:00:00Z", "2026-11-30T23:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		got := parse(t, test.fields, zone(t, test.zone)).Next(now).UTC().Format(time.RFC3339)
		if got != test.want {
			t.Errorf("%q in %s after %s: due %s, want %s", test.fields, test.zone, test.now, got, test.want)
		}
	}
	if due := parse(t, "0 3 30 2 *", time.UTC).Next(time.Now()); !due.IsZero() {
		t.Errorf("February 30 is due at %s", due)
	}
}

// TestOneNightADay holds that a daily schedule has one night a day around every change of the clocks, whether its time lies in
// the hour that is skipped or comes twice, at that hour's beginning, or at midnight.
func TestOneNightADay(t *testing.T) {
	for _, name := range zones {
		z := zone(t, name)
		list := changes(z, 2027)
		if len(list) < 2 {
			t.Fatalf("%s changes its clocks %d times in 2027: choose another zone", name, len(list))
		}
		for _, change := range list {
			_, before := change.Add(-time.Second).Zone()
			_, after := change.Zone()
			special := change.UTC().Add(time.Duration(min(before, after)) * time.Second) // what is skipped or repeated begins here
			for _, at := range []time.Time{special, special.Add(15 * time.Minute), special.Truncate(24 * time.Hour)} {
				fields := fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour())
				s := parse(t, fields, z)
				noon := time.Date(change.Year(), change.Month(), change.Day()-3, 12, 0, 0, 0, z)
				for range 6 {
					tomorrow := noon.AddDate(0, 0, 1)
					var due []string
					for next := s.Next(noon.Add(-time.Nanosecond)); next.Before(tomorrow); next = s.Next(next) {
						due = append(due, next.Format(time.RFC3339))
					}
					if len(due) != 1 {
						t.Errorf("%q in %s from %s: due at %v, want once", fields, name, noon.Format(time.RFC3339), due)
					}
					noon = tomorrow
				}
			}
		}
	}
}

// plain is what Next promises, said minute by minute: a wall time counts when the clocks first show it, and those that they
// skip count at once.
func plain(matches func(wall time.Time) bool, from, to time.Time) []time.Time {
	var due []time.Time
	seen := shown(from) // every wall time up to here has been
	for t := from.Add(time.Minute); !t.After(to); t = t.Add(time.Minute) {
		now, hit := shown(t), false
		for ; seen.Before(now); hit = hit || matches(seen) {
			seen = seen.Add(time.Minute)
		}
		if hit {
			due = append(due, t)
		}
	}
	return due
}

func TestNextAgainstMinutes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range zones {
		z := zone(t, name)
		for _, change := range changes(z, 2028) {
			from, to := change.Add(-30*time.Hour), change.Add(54*time.Hour)
			for range 20 {
				minutes, hours := some(r, 60), some(r, 24)
				matches := func(wall time.Time) bool { return minutes[wall.Minute()] && hours[wall.Hour()] }
				fields := list(minutes) + " " + list(hours) + " * * *"
				s := parse(t, fields, z)
				var got []time.Time
				for next := s.Next(from); !next.After(to); next = s.Next(next) {
					got = append(got, next)
				}
				if want := plain(matches, from, to); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("%q in %s from %s:\n got %v\nwant %v", fields, name, from, got, want)
				}
			}
		}
	}
}

// some chooses a few of the numbers below n.
func some(r *rand.Rand, n int) map[int]bool {
	chosen := map[int]bool{}
	for range 1 + r.IntN(3) {
		chosen[r.IntN(n)] = true
	}
	return chosen
}

func list(chosen map[int]bool) string {
	var words []string
	for n := range chosen {
		words = append(words, fmt.Sprint(n))
	}
	return strings.Join(words, ",")
}

func TestWhatIsNoSchedule(t *testing.T) {
	for _, fields := range []string{"", "daily at three", "0 3 * *", "0 0 3 * * *", "60 3 * * *", "0 24 * * *", "0 3 0 * *", "0 3 * 13 *", "0 3 * * 8", "a 3 * * *",
		"0 3 * * *\n0 4 * * *", "@every 24h", "@sometimes", "CRON_TZ=Europe/Berlin 0 3 * * *", "TZ=UTC 0 3 * * *", "-1 3 * * *", "*/0 3 * * *"} {
		if s, err := Parse(fields, time.UTC); err == nil {
			t.Errorf("%q is taken, due at %s", fields, s.Next(time.Now()))
		} else if !strings.Contains(err.Error(), "want minute, hour, day of month, month, day of week") {
			t.Errorf("%q: %v does not say what is wanted", fields, err)
		}
	}
	for _, name := range []string{"", "Mars/Olympus", "../etc/passwd", "CET+1"} {
		if z, err := Zone(name); err == nil {
			t.Errorf("zone %q is %s", name, z)
		}
	}
}
