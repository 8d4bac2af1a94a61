package history

import (
	"slices"
	"time"

	"nightshift/internal/registry"
)

// Reign is when the champion became what it is; the zero time where it always was.
func Reign(list []registry.Activation) time.Time {
	var since time.Time
	digest := ""
	if len(list) > 0 {
		digest = list[len(list)-1].Digest
	}
	for _, a := range slices.Backward(list) {
		if a.Digest != digest {
			return since
		}
		since = a.Time
	}
	if digest == "" { // the base model served before the first activation
		return time.Time{}
	}
	return since
}

// Judged counts the nights of a track whose candidates were judged since a time, and which the champion is not of: each was a
// chance to be taken for better by luck. What only looks (a dry run), what came to no verdict, and what a person stopped from
// being published used up no evidence: the next night judges by it again. What editors alone were behind was no such chance.
func (h History) Judged(track, champion string, since time.Time) (int, error) {
	nights, err := h.registry.ListNights()
	if err != nil {
		return 0, err
	}
	count := 0
	for _, id := range nights {
		var done Completion
		found, err := h.Read(id, CursorFile, &done)
		if err != nil {
			return 0, err
		}
		if found && done.Track == track && done.Digest != champion && done.Editors != EditorsAlone && done.Completed.After(since) {
			count++
		}
	}
	return count, nil
}
