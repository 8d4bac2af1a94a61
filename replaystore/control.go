package replaystore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Control is an ordered stream of small messages between the processes that share a store. It is bounded: the oldest
// messages go when there are many. It carries hints and requests, never truth.
type Control interface {
	// Publish adds a signal and returns the id the stream gave it.
	Publish(ctx context.Context, m Signal) (string, error)
	// Read returns at most limit signals after the id, oldest first; "" is the beginning. When there are none it waits
	// until block has passed (0: not at all) and then returns none. ctx ends it early with its error.
	Read(ctx context.Context, after string, limit int, block time.Duration) ([]Signal, error)
	// Last is the id of the newest signal, "" when there is none: what to read after to see only what is new.
	Last(ctx context.Context) (string, error)
}

// Kinds of signals.
const (
	KindNightRequest = "night_request"
	KindProgress     = "progress"
	KindShipped      = "shipped"
	KindLoad         = "load"
	KindActivation   = "activation"
	KindErasure      = "erasure"
)

// Signal is one message of the control stream.
type Signal struct {
	ID   string          `json:"id,omitempty"` // made by the stream, ordered; ignored by Publish
	Kind string          `json:"kind"`
	Time time.Time       `json:"time"` // when it was published; set by Publish when zero
	Data json.RawMessage `json:"data"`
}

// NightRequest asks the updater for a night.
type NightRequest struct {
	Night string `json:"night"` // the night's id, server-made
	Track string `json:"track"`
	By    string `json:"by,omitempty"` // who asks: "schedule", "cli", or the name of an API key
	// Options are the caller's, for the updater to read.
	Options json.RawMessage `json:"options,omitempty"`
}

// ProgressSignal says how far a night is.
type ProgressSignal struct {
	Night  string             `json:"night"`
	Track  string             `json:"track"`
	Stage  string             `json:"stage"`           // "select", "train", "evaluate", "gate", "publish", "done", "failed"
	Done   int64              `json:"done,omitempty"`  // of Total
	Total  int64              `json:"total,omitempty"` // 0 unknown
	Text   string             `json:"text,omitempty"`
	Values map[string]float64 `json:"values,omitempty"`
}

// ShippedMark says how far a server's journal is shipped. It is published regularly, and once for every night request,
// then with Night set: everything that server had acknowledged when it saw the request can be read by all.
type ShippedMark struct {
	Server  string    `json:"server"`
	Night   string    `json:"night,omitempty"`
	Through time.Time `json:"through"` // everything appended up to then is shipped
	Pending int64     `json:"pending"`
	Leaving bool      `json:"leaving,omitempty"` // the server has closed; do not wait for it
}

// LoadSignal tells the governor of a night how busy a server is.
type LoadSignal struct {
	Server string  `json:"server"` // no two have the same
	Active int     `json:"active"` // running requests
	Queued int     `json:"queued"` // requests that wait for a slot
	Busy   float64 `json:"busy"`   // 0…1 share of the engine's capacity
	// Inter-token latencies of the last seconds: how many, and their median and 99th percentile in milliseconds, 0 without any.
	ITLCount int     `json:"itl_count"`
	ITLP50   float64 `json:"itl_p50_ms,omitempty"`
	ITLP99   float64 `json:"itl_p99_ms,omitempty"`
}

// ActivationHint says that a track has a new activation; the registry is the truth.
type ActivationHint struct {
	Track  string `json:"track"`
	Number int    `json:"number"`
}

// NewSignal makes a signal of one of the kinds from its value.
func NewSignal(v any) (Signal, error) {
	var kind string
	switch v.(type) {
	case NightRequest:
		kind = KindNightRequest
	case ProgressSignal:
		kind = KindProgress
	case ShippedMark:
		kind = KindShipped
	case LoadSignal:
		kind = KindLoad
	case ActivationHint:
		kind = KindActivation
	case Erasure:
		kind = KindErasure
	default:
		return Signal{}, fmt.Errorf("make signal: %T is not a word of the control stream", v)
	}
	data, err := EncodeJSON(v)
	if err != nil {
		return Signal{}, fmt.Errorf("make signal %s: %w", kind, err)
	}
	return Signal{Kind: kind, Data: data}, nil
}

// Send makes a signal from its value and publishes it.
func Send(ctx context.Context, c Control, v any) (string, error) {
	s, err := NewSignal(v)
	if err != nil {
		return "", err
	}
	return c.Publish(ctx, s)
}

// Decode reads the value of a signal.
func Decode[T NightRequest | ProgressSignal | ShippedMark | LoadSignal | ActivationHint | Erasure](s Signal) (T, error) {
	var v T
	if err := json.Unmarshal(s.Data, &v); err != nil {
		return v, fmt.Errorf("decode %s signal %s: %w", s.Kind, s.ID, err)
	}
	return v, nil
}

// MaxSignal is the largest Data of a signal in bytes.
const MaxSignal = 256 << 10

// Validate checks a signal before it is published.
func (s *Signal) Validate() error {
	if !plainName(s.Kind, MaxTrack) {
		return invalid("signal", "must have a kind")
	}
	if len(s.Data) > MaxSignal || !json.Valid(s.Data) {
		return invalid("signal "+s.Kind, "must have JSON data of at most %d bytes", MaxSignal)
	}
	return nil
}

// Marks folds shipped marks: who is alive, and who is behind a night request. The zero value is ready.
type Marks struct {
	servers map[string]serverMark
}

type serverMark struct {
	seen   time.Time
	mark   ShippedMark
	nights map[string]bool
}

// Observe takes one signal of any kind; received is when it was read, so that servers' clocks do not matter.
func (m *Marks) Observe(s Signal, received time.Time) error {
	if s.Kind != KindShipped {
		return nil
	}
	mark, err := Decode[ShippedMark](s)
	if err != nil {
		return err
	}
	if m.servers == nil {
		m.servers = make(map[string]serverMark)
	}
	if mark.Leaving {
		delete(m.servers, mark.Server)
		return nil
	}
	sm := m.servers[mark.Server]
	sm.seen, sm.mark = received, mark
	if mark.Night != "" {
		if sm.nights == nil {
			sm.nights = make(map[string]bool)
		}
		sm.nights[mark.Night] = true
	}
	m.servers[mark.Server] = sm
	return nil
}

// Behind lists the servers heard from since the time that have not shipped up to the request for this night, sorted.
func (m *Marks) Behind(night string, since time.Time) []string {
	var out []string
	for name, sm := range m.servers {
		if !sm.seen.Before(since) && !sm.nights[night] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
