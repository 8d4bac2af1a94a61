package registry

import (
	"context"
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
	if err := CheckTrack(track); err != nil {
		return nil, fmt.Errorf("lease track: %w", err)
	}
	if _, err := r.makeDirs("leases"); err != nil {
		return nil, fmt.Errorf("lease track %s: %w", track, err)
	}
	lock := flock.New(filepath.Join(r.dir, "leases", track))
	if _, err := lock.TryLockContext(ctx, leaseEvery); err != nil {
		return nil, fmt.Errorf("wait for the night of another updater on track %s: %w", track, err)
	}
	return lock.Close, nil
}
