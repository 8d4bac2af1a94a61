package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/registry"
	"nightshift/serve/api/wire"
)

func trackCommand(s *app.Flags) *cobra.Command {
	cmd := &cobra.Command{Use: "track", Short: "List, create and delete tracks",
		Long: "List, create and delete tracks. A track is a name that clients ask as a model, with versions, nights and feedback of its own. There are\n" +
			"those that were created here or by POST /v1/tracks, those into which an adapter was imported, those that the configuration names, and default.\n" +
			"Running servers follow within a second, without a restart."}
	cmd.AddCommand(trackList(s), trackCreate(s), trackDelete(s))
	return cmd
}

// trackRow is one track in a list.
type trackRow struct {
	Track      string    `json:"track"`
	Serves     string    `json:"serves"`
	Versions   int       `json:"versions"`
	Held       bool      `json:"held"`
	Activation int       `json:"activation"`
	Since      time.Time `json:"since,omitzero"`
}

func trackList(s *app.Flags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "list", Short: "List the tracks and what serves each"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := s.OpenRegistry(cmd)
		if err != nil {
			return err
		}
		tracks, err := r.Tracks()
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(os.Stdout, 2, 8, 2, ' ', 0)
		if !asJSON {
			fmt.Fprintln(t, "track\tserves\tversions\tsince")
		}
		for _, track := range tracks {
			a, err := r.Champion(track)
			if err != nil {
				return err
			}
			refs, err := r.Versions(track)
			if err != nil {
				return err
			}
			row := trackRow{Track: track, Serves: a.Champion().String(), Versions: len(refs), Held: a.Held, Activation: a.Sequence, Since: a.Time}
			if asJSON {
				if err := json.NewEncoder(os.Stdout).Encode(row); err != nil {
					return err
				}
				continue
			}
			held, since := "", ""
			if row.Held {
				held = ", held"
			}
			if !row.Since.IsZero() {
				since = row.Since.Format("2006-01-02 15:04")
			}
			fmt.Fprintf(t, "%s\t%s%s\t%d\t%s\n", row.Track, row.Serves, held, row.Versions, since)
		}
		return t.Flush()
	}
	return cmd
}

func trackCreate(s *app.Flags) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "create TRACK", Short: "Make a track, which the base model serves at first"}
	cmd.Flags().StringVar(&reason, "reason", "", "kept with the activation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		track := args[0]
		err := changeTracks(s, cmd, http.MethodPost, "/v1/tracks", wire.TrackRequest{Track: track, Reason: reason}, func(c app.Config, r *registry.Registry) error {
			if err := routed(c, track); err != nil {
				return err
			}
			_, err := r.CreateTrack(cmd.Context(), track, actor(), reason)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Printf("track %s is there; ask it as model %s\n", track, track)
		return nil
	}
	return cmd
}

func trackDelete(s *app.Flags) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "delete TRACK", Short: "End a track: it is listed and asked no more; its versions and what was said there stay",
		Long: "End a track: it is listed and asked no more, has no nights, and answers in progress finish. Its versions, nights and what was said\n" +
			"there stay as records, and are there again when a track of that name is created, which then begins with the base model. What a person said is\n" +
			"deleted with nightshift forget. The track default cannot be deleted, and one that the configuration names not before it is taken out there."}
	cmd.Flags().StringVar(&reason, "reason", "", "kept with the activation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		track := args[0]
		if err := registry.CheckTrack(track); err != nil {
			return err
		}
		err := changeTracks(s, cmd, http.MethodDelete, "/v1/tracks/"+track, wire.TrackRequest{Reason: reason}, func(_ app.Config, r *registry.Registry) error {
			_, err := r.DeleteTrack(cmd.Context(), track, actor(), reason)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Printf("track %s is deleted; nightshift track create %s brings it back with its versions\n", track, track)
		return nil
	}
	return cmd
}

// changeTime bounds how long a server may take to make or delete a track.
const changeTime = time.Minute

// changeTracks has the server that runs on the data directory do it, so that its configuration counts and the change is in force when the
// command ends; without one it is written to the registry, which the servers of other machines follow.
func changeTracks(s *app.Flags, cmd *cobra.Command, method, path string, body wire.TrackRequest, write func(app.Config, *registry.Registry) error) error {
	c, err := s.Load(cmd)
	if err != nil {
		return err
	}
	at, running := app.RunningServer(c)
	if !running {
		r, err := app.RegistryOf(c)
		if err != nil {
			return err
		}
		return write(c, r)
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(cmd.Context(), changeTime)
	defer stop()
	return app.CallServer(ctx, at, method, path, data, func(io.Reader) error { return nil })
}

// routed refuses a track whose name means that requests are routed.
func routed(c app.Config, track string) error {
	if len(c.Router.Tracks) > 0 && track == c.Router.Model {
		return errors.New("requests for model " + track + " are routed (router.model), so a track of that name could not be asked; choose another name")
	}
	return nil
}
