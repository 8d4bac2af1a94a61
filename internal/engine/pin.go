package engine

import "sync/atomic"

// Pin holds a version in the bank until Release, or, once a request has taken it, until that request's answer has ended:
// from then on Release does nothing, so that a caller's deferred Release cannot pull the rows from under an answer. The
// zero Pin is the base model's and may be used any number of times; every other pin serves one request.
type Pin struct {
	Digest string
	bank   *Bank
	rows   []int64
	state  atomic.Int32
}

// The states of a pin, in the order in which it passes through them.
const (
	pinHeld int32 = iota
	pinTaken
	pinReleased
)

// Rows is how many bank rows the pin keeps in use; none of the base model's.
func (p *Pin) Rows() int { return len(p.rows) }

// take gives the pin to a request; false when another request has it or it was released.
func (p *Pin) take() bool {
	return p.bank == nil || p.state.CompareAndSwap(pinHeld, pinTaken)
}

// Release lets the version go; it may be called more than once. It does nothing once a request has taken the pin.
func (p *Pin) Release() { p.release(pinHeld) }

// release lets the version go if the pin is in the given state.
func (p *Pin) release(from int32) {
	if p != nil && p.bank != nil && p.state.CompareAndSwap(from, pinReleased) {
		p.bank.unpin(p.Digest)
	}
}
