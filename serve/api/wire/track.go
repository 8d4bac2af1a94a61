package wire

import (
	"time"

	"nightshift/internal/nightrecord"
)

// TrackRequest asks for a track to be made, or, without its name, for one to be rolled back, held, released or deleted.
type TrackRequest struct {
	Track  string `json:"track,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Track is a track with what serves it.
type Track struct {
	Track        string   `json:"track"`
	Champion     Champion `json:"champion"`
	Candidate    *OnTrial `json:"candidate"`
	Versions     int      `json:"versions"`
	Interactions int64    `json:"interactions"`
	Feedback     int64    `json:"feedback"`
	Problem      string   `json:"problem,omitempty"` // why the newest activation is not served
	// NextNight is what the next night would find; only of a track that is asked for by itself.
	NextNight *nightrecord.Plan `json:"next_night,omitempty"`
}

// Tracks is the list of tracks.
type Tracks struct {
	Data []Track `json:"data"`
}

// Champion is what serves a track.
type Champion struct {
	Version    *int       `json:"version"` // null is the base model
	Digest     string     `json:"digest"`
	Activation int        `json:"activation"`
	Since      *time.Time `json:"since"`
	Hold       bool       `json:"hold"`
}

// OnTrial is a version that gets a share of a track's traffic.
type OnTrial struct {
	Version int     `json:"version"`
	Digest  string  `json:"digest"`
	Share   float64 `json:"share"`
}

// Activated answers activate, rollback and hold.
type Activated struct {
	Activation int     `json:"activation"`
	Version    *int    `json:"version"`
	Serving    bool    `json:"serving"`
	SwapMS     float64 `json:"swap_ms"`
	Hold       bool    `json:"hold"`
}

// DeletedTrack answers the deletion of a track.
type DeletedTrack struct {
	Track      string `json:"track"`
	Deleted    bool   `json:"deleted"`
	Activation int    `json:"activation"` // that ended it
}
