package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"syscall"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// adminKey is the variable of the environment with the key for commands that ask a running server. It is no key of the configuration.
const adminKey = "NIGHTSHIFT_ADMIN_KEY"

// RemoteNight asks a running server for a night, follows it with show, and returns its record.
func RemoteNight(ctx context.Context, at Address, track string, dryRun bool, show func(nightrecord.Night)) (nightrecord.Night, error) {
	var none nightrecord.Night
	var queued wire.NightQueued
	body, err := json.Marshal(wire.NightRequest{Track: track, DryRun: dryRun})
	if err != nil {
		return none, fmt.Errorf("ask for a night: %w", err)
	}
	if err := CallServer(ctx, at, http.MethodPost, "/v1/nights", body, func(r io.Reader) error { return json.NewDecoder(r).Decode(&queued) }); err != nil {
		return none, fmt.Errorf("ask for a night: %w", err)
	}
	night := nightrecord.Night{ID: queued.ID, Track: track, State: nightrecord.Queued}
	err = CallServer(ctx, at, http.MethodGet, "/v1/nights/"+queued.ID+"/events", nil, func(r io.Reader) error { return followEvents(r, &night, show) })
	if err != nil {
		return none, fmt.Errorf("follow night %s: %w", queued.ID, err)
	}
	return night, nil
}

// RemoteTeach has a server teach questions with their answers, or look at them.
func RemoteTeach(ctx context.Context, at Address, q wire.TeachRequest) (wire.Taught, error) {
	var taught wire.Taught
	body, err := replaystore.EncodeJSON(q)
	if err != nil {
		return taught, fmt.Errorf("teach track %s: %w", q.Track, err)
	}
	err = CallServer(ctx, at, http.MethodPost, "/v1/teach", body, func(r io.Reader) error { return json.NewDecoder(r).Decode(&taught) })
	if err == nil && len(taught.Items) != len(q.Items) {
		err = fmt.Errorf("the server at %s answered about %d questions of %d", at.URL, len(taught.Items), len(q.Items))
	}
	if err != nil {
		return taught, fmt.Errorf("teach track %s: %w", q.Track, err)
	}
	return taught, nil
}

// RemotePlan asks a running server what the next night of a track would find.
func RemotePlan(ctx context.Context, at Address, track string) (nightrecord.Plan, error) {
	var answer wire.Track
	err := CallServer(ctx, at, http.MethodGet, "/v1/tracks/"+url.PathEscape(track), nil, func(r io.Reader) error { return json.NewDecoder(r).Decode(&answer) })
	switch {
	case err != nil:
		return nightrecord.Plan{}, fmt.Errorf("plan the next night of track %s: %w", track, err)
	case answer.NextNight == nil:
		return nightrecord.Plan{}, fmt.Errorf("plan the next night of track %s: nobody learns from the server at %s; it is not one of the command run", track, at.URL)
	}
	return *answer.NextNight, nil
}

// followEvents reads a night's events until it is done.
func followEvents(r io.Reader, night *nightrecord.Night, show func(nightrecord.Night)) error {
	for e, err := range wire.Events(r) {
		switch {
		case err != nil:
			return err
		case e.Name == "":
			return refusedInStream(e.Data)
		case e.Name == wire.NightDone:
			return json.Unmarshal([]byte(e.Data), night)
		case e.Name == wire.NightState:
			if err := json.Unmarshal([]byte(e.Data), night); err != nil {
				return err
			}
			show(*night)
		case e.Name == wire.NightProgress:
			if err := json.Unmarshal([]byte(e.Data), &night.Progress); err != nil {
				return err
			}
			show(*night)
		}
	}
	return errors.New("the events ended before the night did")
}

// refusedInStream is the error that the server tells inside a stream which had begun.
func refusedInStream(data string) error {
	if e := decodeRefusal([]byte(data)); e.Message != "" {
		return errors.New(e.Message)
	}
	return fmt.Errorf("the server sent %.200q", data)
}

// decodeRefusal reads the error of an answer; its message is empty where there is none.
func decodeRefusal(data []byte) wire.Error {
	var body wire.Failure
	if err := json.Unmarshal(data, &body); err != nil {
		return wire.Error{}
	}
	return body.Error
}

// CallServer sends a request to a running server, with the key of NIGHTSHIFT_ADMIN_KEY if that is set, and reads the answer of a success.
// A refusal is an error with the server's own words.
func CallServer(ctx context.Context, at Address, method, path string, body []byte, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, at.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key := cmp.Or(at.Key, os.Getenv(adminKey)); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no server answers at %s, where the data directory says that process %d serves; remove address.json from the data directory if that is another program", at.URL, at.PID)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	if resp.StatusCode < 300 {
		return read(resp.Body)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch e := decodeRefusal(text); {
	case e.Message == "":
		return fmt.Errorf("the server at %s answered %s: %.200q", at.URL, resp.Status, text)
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("the server at %s has keys: %s; this command takes its key, one with the role admin, from the variable %s", at.URL, e.Message, adminKey)
	default:
		return errors.New(e.Message)
	}
}
