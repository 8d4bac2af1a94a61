// Package schedule says when nights are due: five cron fields, read as times on the wall clock of a zone.
//
// Invariants. Every time that the fields name happens once, whatever the zone does to its clocks: a time that the clocks
// skip happens when they skip it, and a time that they show twice happens when they first show it. Times that fall together
// so are one. Which moments those are depends on the fields and the zone alone, so two processes agree on them.
//
// It reads no clock and starts nothing.
package schedule

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // time zones where the machine has none

	"github.com/netresearch/go-cron"
)

// searchYears is how far ahead a date is looked for: February 29 has been away for 8 years at most.
const searchYears = 8

// parser reads minute, hour, day of month, month and day of week, or a name such as @daily. Where both days are given either
// will do, as in crontab(5).
var parser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom | cron.Descriptor).WithMaxSearchYears(searchYears)

// Schedule is a list of moments without end.
type Schedule struct {
	fields *cron.SpecSchedule // its zone is UTC, which stands for any wall clock
	zone   *time.Location
}

// Zone finds a time zone by its name: Local, UTC or one such as Europe/Berlin.
func Zone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, fmt.Errorf("want Local, UTC or a name such as Europe/Berlin, not %q", name)
	}
	return zone, nil
}

// Parse reads five fields, such as "30 2 * * *", that are meant in a zone.
func Parse(fields string, zone *time.Location) (*Schedule, error) {
	const want = "want minute, hour, day of month, month, day of week, such as \"30 2 * * *\""
	if strings.Contains(fields, "TZ=") {
		return nil, fmt.Errorf("%s, and the time zone apart from them", want)
	}
	parsed, err := parser.Parse(fields)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", want, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok { // @every: it counts from whenever a process starts
		return nil, fmt.Errorf("%s: %s names no time of day", want, fields)
	}
	spec.Location = time.UTC
	return &Schedule{fields: spec, zone: zone}, nil
}

// Next is the first moment of the schedule after another, and zero where there is none, as for February 30.
func (s *Schedule) Next(after time.Time) time.Time {
	for wall := shown(after.In(s.zone)); ; {
		wall = s.fields.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if due := moment(wall, s.zone); due.After(after) {
			return due
		}
	}
}

// shown is what a wall clock shows at t, as if it were UTC.
func shown(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// moment is when the clocks of a zone first show a wall time, and when they skip it where they do.
func moment(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	begin, end := t.ZoneBounds() // between changes of the clocks
	switch {
	case shown(t).After(wall): // skipped, and read as if the clocks had not been changed yet
		return begin
	case shown(t).Before(wall): // skipped, and read as if they had been changed
		return end
	case begin.IsZero():
		return t
	}
	_, before := begin.Add(-time.Nanosecond).Zone()
	_, now := t.Zone()
	first := t.Add(time.Duration(now-before) * time.Second)
	if first.Before(begin) && now < before { // the clocks were put back over it
		return first
	}
	return t
}
