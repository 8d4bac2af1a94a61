package wire

import (
	"encoding/json"
	"time"
)

// Adapter is a version of a track.
type Adapter struct {
	Track    string    `json:"track"`
	Version  int       `json:"version"`
	Digest   string    `json:"digest"`
	Created  time.Time `json:"created"`
	Night    string    `json:"night"`
	Parent   string    `json:"parent"`
	State    string    `json:"state"` // champion, candidate, rejected, previous, available
	Examples int       `json:"examples"`
	Gate     *string   `json:"gate"`      // pass, reject or null
	SelfTest *string   `json:"self_test"` // pass, fail or null
}

// Adapters is the list of versions.
type Adapters struct {
	Data []Adapter `json:"data"`
}

// AdapterDetail is a version with its manifest, as the registry has it, and the verdict of its night.
type AdapterDetail struct {
	Adapter
	Manifest json.RawMessage `json:"manifest"`
	Verdict  json.RawMessage `json:"verdict"`
}
