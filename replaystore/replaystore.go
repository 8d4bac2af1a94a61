// Package replaystore holds the words of the replay store: interactions, feedback, examples, the rehearsal memory, the
// control stream between processes, and the Store interface that localstore and redisstore implement.
//
// Invariants. An event is identified by its Key: appending it twice is appending it once. Encodings are canonical: one
// event has one byte string. A sampling key depends on the store's secret, a server-made id and a frozen weight, never
// on arrival order, so samples are idempotent, order-free and mergeable. Everything a Store acknowledges is durable.
//
// It is not a database: nothing here touches a file or a socket. Nor does it redact: callers hand in redacted text.
package replaystore

import (
	"context"
	"errors"
	"time"
)

// ErrClosed is returned by every method of a closed Store.
var ErrClosed = errors.New("replay store is closed")

// Cursor is a place in the order of one track's events. "" is the beginning. It is opaque, and only good for the track
// and the store it came from.
type Cursor string

// Store keeps what was served and what people said about it. All methods are safe for concurrent use.
type Store interface {
	// Append validates the events, writes all of them or none, and returns once they are durable. It is idempotent by
	// Event.Key. Erasures are refused: they are made by Erase. After an error the outcome is unknown, and trying again
	// is safe. When ctx ends first its error is returned.
	Append(ctx context.Context, events ...Event) error

	// AppendAsync writes one event and does not wait for the disk. True: it is written (it survives the death of the
	// process) and is synced within 50 ms. False: it could not be kept; the reason is logged and counted in Stats.
	AppendAsync(event Event) (logged bool)

	// Interaction finds one interaction by track and id, also when it was appended by this process a moment ago.
	Interaction(ctx context.Context, track, id string) (Interaction, bool, error)

	// Scan returns at most limit events of a track that follow the cursor, in commit order, and the cursor after the last
	// of them. No events and a nil error mean the end has been reached for now. Only durable events are returned. Every
	// event is returned at least once; again only after the server behind the store lost data that had to be sent again.
	// Forgotten events are left out; the erasure itself appears in every track it touched.
	Scan(ctx context.Context, track string, after Cursor, limit int) ([]Event, Cursor, error)

	// Tracks lists the tracks that have events or rehearsal memory, sorted.
	Tracks(ctx context.Context) ([]string, error)

	// Rehearsal returns the rehearsal memory of a track; an unknown track has an empty one.
	Rehearsal(ctx context.Context, track string) (Rehearsal, error)

	// Admit offers examples to the rehearsal memory of a track; which of them stay is decided by their keys. It is
	// idempotent by MemoryItem.ID. An item whose Generation is above the sample's starts a new generation.
	Admit(ctx context.Context, track string, items ...MemoryItem) error

	// Retire takes examples out of a track's rehearsal memory for good: a newer correction has superseded them.
	Retire(ctx context.Context, track string, ids ...string) error

	// Erase deletes everything of a subject up to now: interactions, feedback by the subject or on those interactions,
	// and memory items made from them. It returns when they are gone.
	Erase(ctx context.Context, subject string) (EraseReport, error)

	// Control is the stream between processes.
	Control() Control

	// Sync returns when everything appended through this Store before the call can be seen by every process that uses
	// the same store, or says why not.
	Sync(ctx context.Context) error

	// Stats never waits for a server that is down.
	Stats(ctx context.Context) (Stats, error)

	// Close stops background work, syncs what is written and releases the files.
	Close() error
}

// Trimmer is a Store whose server has no room for everything forever.
type Trimmer interface {
	// Trim drops the oldest events of a track until keep are left, but never one that follows the cursor, and returns how
	// many went. Feedback on an interaction that was dropped finds none.
	Trim(ctx context.Context, track string, through Cursor, keep int64) (int64, error)
}

// EraseReport says what Erase deleted.
type EraseReport struct {
	Erasure      Erasure  `json:"erasure"`
	Tracks       []string `json:"tracks,omitempty"` // the tracks that were touched, sorted
	Interactions int      `json:"interactions"`
	Feedback     int      `json:"feedback"`
	MemoryItems  int      `json:"memory_items"`
	IDs          []string `json:"ids,omitempty"` // ids of the deleted interactions, sorted: what nights' selections are searched for
}

// Stats is the state of a store as its process sees it.
type Stats struct {
	Kind           string    `json:"kind"`               // "local" or "redis"
	Degraded       string    `json:"degraded,omitempty"` // why the store works with less than all of itself; "" is healthy
	Events         int64     `json:"events"`             // events in the local journal
	JournalBytes   int64     `json:"journal_bytes"`
	Segments       int       `json:"segments"`
	Pending        int64     `json:"pending"`                  // records that are durable here and not yet shipped
	OldestPending  time.Time `json:"oldest_pending,omitzero"`  // when the oldest of them was appended
	ShippedThrough time.Time `json:"shipped_through,omitzero"` // everything appended up to this time is shipped
	Resent         int64     `json:"resent"`                   // records sent again after the server lost or may have lost data
	DeadLetters    int64     `json:"dead_letters"`             // records that the server refuses for good, kept in a file beside the journal
	Lost           int64     `json:"lost"`                     // AppendAsync calls that answered false
	Skipped        int64     `json:"skipped"`                  // bytes of corrupt records found and skipped when the journal was opened
	Truncated      int64     `json:"truncated"`                // bytes of a torn tail cut when the journal was opened
}
