package engine

import "strings"

// release appends fresh text and returns all of it that can no longer be part of a stop string. The stop string that
// is complete first counts, and of those that end together the longest.
func (o *output) release(fresh string) (text string, stopped bool) {
	if len(o.stop) == 0 {
		return fresh, false
	}
	o.held += fresh
	cut, end := -1, 0
	for _, s := range o.stop {
		i := strings.Index(o.held, s)
		if i >= 0 && (cut < 0 || i+len(s) < end || (i+len(s) == end && i < cut)) {
			cut, end = i, i+len(s)
		}
	}
	if cut >= 0 {
		text, o.held, o.stopped = o.held[:cut], "", true
		return text, true
	}
	keep := 0
	for _, s := range o.stop {
		for n := min(len(s)-1, len(o.held)); n > keep; n-- {
			if strings.HasSuffix(o.held, s[:n]) {
				keep = n
				break
			}
		}
	}
	text, o.held = o.held[:len(o.held)-keep], o.held[len(o.held)-keep:]
	return text, false
}
