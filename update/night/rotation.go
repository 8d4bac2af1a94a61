package night

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"nightshift/replaystore"
	"nightshift/update/history"
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
func (n *night) trained(memory replaystore.Rehearsal, p history.Past) (map[string]bool, error) {
	people := trainedSubjects(memory)
	if n.settings.Evidence.Rotation == 0 && !p.ByQuestions {
		return people, nil
	}
	return people, n.nights.history.AddLearned(p.Learned, people)
}
