package update

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// windowKey is the key by which people are held out in the window that a time lies in; without windows it is the key itself.
// From one window to the next the choice is drawn anew, and nobody can foresee it who has not got the key.
func windowKey(key []byte, now time.Time, window time.Duration) []byte {
	if window <= 0 {
		return key
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(binary.BigEndian.AppendUint64([]byte("held-out window\x00"), uint64(now.UnixNano()/int64(window)))) //nolint:gosec // a number, not a size
	return mac.Sum(nil)
}

// trained are the people who were learned from. Where people who were learned from may be drawn to be held out later, because others are
// after a while or because a night held out by questions, the rehearsal memory does not do: it keeps a sample.
func (n *night) trained(memory replaystore.Rehearsal, p past) (map[string]bool, error) {
	people := trainedSubjects(memory)
	if n.settings.Evidence.Rotation == 0 && !p.byQuestions {
		return people, nil
	}
	return people, n.u.learnedFrom(p.learned, people)
}

// learnedFrom adds the people whose examples nights have learned.
func (u *Updater) learnedFrom(nights []string, people map[string]bool) error {
	for _, night := range nights {
		data, err := u.deps.Registry.ReadNight(night, selectionFile)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		items, err := decodeItems(data)
		if err != nil {
			return fmt.Errorf("read selection of night %s: %w", night, err)
		}
		for _, it := range use(items, selection.New) {
			people[it.Subject] = true
		}
	}
	return nil
}
