package wire

import (
	"encoding/json"
	"time"
)

// NightRequest asks for a night.
type NightRequest struct {
	Track  string `json:"track,omitempty"` // the default track where it is left out
	DryRun bool   `json:"dry_run,omitempty"`
}

// NightQueued answers the request for a night.
type NightQueued struct {
	ID    string `json:"id"`
	Track string `json:"track"`
	State string `json:"state"`
}

// Nights is the list of nights: their records, verbatim.
type Nights struct {
	Data []json.RawMessage `json:"data"`
}

// Names of the events of a night. The data of NightDone is the night's record.
const (
	NightState    = "state"
	NightProgress = "progress"
	NightDone     = "done"
)

// StateEvent is the data of NightState.
type StateEvent struct {
	Reason string `json:"reason"`
	State  string `json:"state"`
}

// ProgressEvent is the data of NightProgress: where the present phase stands.
type ProgressEvent struct {
	Phase string    `json:"phase"`
	Step  int64     `json:"step"`
	Steps int64     `json:"steps"` // 0 is unknown
	Loss  *float64  `json:"loss"`  // nats per token, while training
	Rate  *float64  `json:"lr"`
	ETA   *float64  `json:"eta_seconds"`
	Time  time.Time `json:"time"`
}
