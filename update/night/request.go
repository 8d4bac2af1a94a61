package night

import (
	"encoding/json"

	"nightshift/internal/registry"
	"nightshift/replaystore"
)

// Request asks for a night.
type Request struct {
	Night     string // id; an existing one only when that night failed
	Track     string
	By        string // who asks: "schedule", "cli", or the name of an API key
	DryRun    bool   // do everything but store and publish
	Scheduled bool   // it follows from a schedule, which others may follow too

	announced bool // it came over the control stream: servers have seen it, and others who run nights may have
}

// requestOptions are the options of a replaystore.NightRequest.
type requestOptions struct {
	DryRun bool `json:"dry_run,omitempty"`
}

// Requested is a request that came over the control stream.
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
	return Request{Night: r.Night, Track: r.Track, By: r.By, DryRun: opt.DryRun, announced: true}, nil
}
