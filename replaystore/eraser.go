package replaystore

import (
	"maps"
	"slices"
	"time"
)

// Eraser decides what belongs to an erasure. First every event is noted, then records are matched: feedback by others on
// a subject's interaction goes with the interaction, wherever it stands. Not safe for concurrent use.
type Eraser struct {
	Erasure      Erasure
	interactions map[string]bool // ids
	report       EraseReport
	tracks       map[string]bool
}

// NewEraser starts an erasure.
func NewEraser(e Erasure) *Eraser {
	x := &Eraser{Erasure: e, interactions: make(map[string]bool), tracks: make(map[string]bool)}
	for _, id := range e.Interactions {
		x.interactions[id] = true
	}
	for _, track := range e.Tracks {
		x.tracks[track] = true
	}
	return x
}

// Note remembers the interactions that are to go.
func (x *Eraser) Note(e Event) {
	if i := e.Interaction; i != nil && x.Erasure.Covers(i.Subject, i.Time) {
		x.interactions[i.ID] = true
	}
}

// Event reports whether an event is to go.
func (x *Eraser) Event(e Event) bool {
	switch {
	case e.Interaction != nil:
		return x.interactions[e.Interaction.ID]
	case e.Feedback != nil:
		return x.Erasure.Covers(e.Feedback.Subject, e.Feedback.Time) || x.interactions[e.Feedback.Interaction]
	}
	return false
}

// Item reports whether a memory item is to go.
func (x *Eraser) Item(m *MemoryItem) bool {
	return x.Erasure.Covers(m.Subject, m.Time) || x.Erasure.Covers(m.Author, m.Time) || m.Interaction != "" && x.interactions[m.Interaction]
}

// Count adds an event that is deleted to the report.
func (x *Eraser) Count(e Event) {
	x.tracks[e.Track()] = true
	if e.Interaction != nil {
		x.report.Interactions++
		return
	}
	x.report.Feedback++
}

// CountItems adds deleted memory items to the report.
func (x *Eraser) CountItems(track string, n int) {
	if n > 0 {
		x.tracks[track] = true
		x.report.MemoryItems += n
	}
}

// Report returns the report, and the erasure with the tracks that were touched.
func (x *Eraser) Report() EraseReport {
	r := x.report
	r.Tracks = slices.Sorted(maps.Keys(x.tracks))
	r.IDs = slices.Sorted(maps.Keys(x.interactions))
	r.Erasure = x.Erasure
	r.Erasure.Tracks, r.Erasure.Interactions = r.Tracks, r.IDs
	return r
}

// Erasures knows every erasure of a store: what arrives late and is covered by one must not be kept. The zero value is
// ready. Not safe for concurrent use.
type Erasures struct {
	bySubject map[string]Erasure
	ids       map[string]bool
}

// Add takes in an erasure and reports whether it is new.
func (s *Erasures) Add(e Erasure) bool {
	if s.ids == nil {
		s.bySubject, s.ids = make(map[string]Erasure), make(map[string]bool)
	}
	if s.ids[e.ID] {
		return false
	}
	s.ids[e.ID] = true
	if old, ok := s.bySubject[e.Subject]; !ok || old.Time.Before(e.Time) {
		s.bySubject[e.Subject] = e
	}
	return true
}

// Cover reports whether data of the subject at that time is erased.
func (s *Erasures) Cover(subject string, t time.Time) bool {
	x, ok := s.bySubject[subject]
	return ok && x.Covers(subject, t)
}
