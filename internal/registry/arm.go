package registry

import (
	"crypto/sha256"
	"encoding/binary"
)

// Arm is the version that an activation gives a subject: the champion, or the candidate where the subject's place in [0, 1) is
// below the share. The place depends on subject and candidate alone, so a growing share only adds subjects, and it is as good as
// drawn: nothing that a subject does is tied to it.
func (a Activation) Arm(subject string) Ref {
	candidate, canary := a.Canary()
	if canary && place(candidate.Digest, subject) < a.Share {
		return candidate
	}
	return a.Champion()
}

// place is a subject's place in [0, 1) in the trial of a version.
func place(digest, subject string) float64 {
	sum := sha256.Sum256([]byte(digest + "\x00" + subject))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}
