package registry

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// leaseEvery is how often a process that waits for a lease asks for it again.
const leaseEvery = 200 * time.Millisecond

// Lease waits until nobody else holds a track's lease, in this process or another on this registry, and holds it until release is called or the
// process ends. Who holds it runs the track's nights. It is no fence where the file system does not lock across machines: that activations are
// created exclusively is.
func (r *Registry) Lease(ctx context.Context, track string) (release func() error, err error) {
	lock, err := r.lease(track)
	if err != nil {
		return nil, err
	}
	if _, err := lock.TryLockContext(ctx, leaseEvery); err != nil {
		return nil, fmt.Errorf("wait for the night of another updater on track %s: %w", track, err)
	}
	return lock.Close, nil
}

// ErrLeased says that somebody else holds a track's lease.
var ErrLeased = errors.New("a night of the track runs")

// TryLease is Lease, but fails with ErrLeased where that would wait.
func (r *Registry) TryLease(track string) (release func() error, err error) {
	lock, err := r.lease(track)
	if err != nil {
		return nil, err
	}
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lease track %s: %w", track, err)
	case !held:
		return nil, fmt.Errorf("lease track %s: %w", track, ErrLeased)
	}
	return lock.Close, nil
}

// lease is the lock of a track's lease, not held yet.
func (r *Registry) lease(track string) (*flock.Flock, error) {
	if err := CheckTrack(track); err != nil {
		return nil, fmt.Errorf("lease track: %w", err)
	}
	if _, err := r.makeDirs("leases"); err != nil {
		return nil, fmt.Errorf("lease track %s: %w", track, err)
	}
	return flock.New(filepath.Join(r.dir, "leases", track)), nil
}
