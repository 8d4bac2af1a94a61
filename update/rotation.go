package update

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/registry"
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

// keepLearning takes people who were once learned from out of those held out: their next examples are like what was learned.
func keepLearning(items []selection.Item, trained map[string]bool) {
	for i := range items {
		if it := &items[i]; it.Use == selection.HeldOut && it.Subject != "" && trained[it.Subject] {
			it.Use = selection.New
		}
	}
}

// learnedFrom adds the people whose examples nights have learned. The rehearsal memory does not do: it keeps a sample.
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
