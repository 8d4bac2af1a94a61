package update

import (
	"encoding/json"

	"nightshift/internal/registry"
	"nightshift/replaystore"
)

// Request asks for a night.
type Request struct {
	Night  string // id; an existing one only when that night failed
	Track  string
	By     string // who asks: "schedule", "cli", or the name of an API key
	DryRun bool   // do everything but store and publish
	From   Source
}

// Source is how a request came.
type Source int

const (
	FromCaller   Source = iota // from whoever called
	FromStream                 // over the control stream: servers have seen it, and other updaters may have
	FromSchedule               // by a schedule: other updaters may follow the same
)

// requestOptions are the options of a replaystore.NightRequest.
type requestOptions struct {
	DryRun bool `json:"dry_run,omitempty"`
}

// Requested is the request that came over the control stream. Whether its night can be is not checked.
func Requested(r replaystore.NightRequest) (Request, error) {
	var opt requestOptions
	if err := registry.CheckTrack(r.Track); err != nil {
		return Request{}, err
	}
	if len(r.Options) > 0 {
		if err := json.Unmarshal(r.Options, &opt); err != nil {
			return Request{}, err
		}
	}
	return Request{Night: r.Night, Track: r.Track, By: r.By, DryRun: opt.DryRun, From: FromStream}, nil
}
