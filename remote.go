package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"nightshift/internal/config"
	"nightshift/internal/nightrecord"
)

// runningServer finds the server that uses the data directory, by the address that it left there.
func runningServer(c config.Config) (address, bool) {
	data, err := os.ReadFile(addressFile(c))
	var at address
	if err != nil || json.Unmarshal(data, &at) != nil || at.PID <= 0 {
		return at, false
	}
	return at, syscall.Kill(at.PID, 0) == nil
}

// remoteNight asks a running server for a night and follows it.
func remoteNight(ctx context.Context, at address, printer *nightPrinter, track string, dryRun bool) error {
	var queued struct {
		ID string `json:"id"`
	}
	body, err := json.Marshal(map[string]any{"track": track, "dry_run": dryRun})
	if err != nil {
		return fmt.Errorf("ask for a night: %w", err)
	}
	if err := callServer(ctx, http.MethodPost, at.URL+"/v1/nights", body, func(r io.Reader) error { return json.NewDecoder(r).Decode(&queued) }); err != nil {
		return fmt.Errorf("ask for a night: %w", err)
	}
	night := nightrecord.Night{ID: queued.ID, Track: track, State: nightrecord.Queued}
	err = callServer(ctx, http.MethodGet, at.URL+"/v1/nights/"+queued.ID+"/events", nil, func(r io.Reader) error { return followEvents(r, &night, printer) })
	if err != nil {
		return fmt.Errorf("follow night %s: %w", queued.ID, err)
	}
	return printer.result(night)
}

// remotePlan asks a running server what the next night of a track would find.
func remotePlan(ctx context.Context, at address, track string) (nightrecord.Plan, error) {
	var answer struct {
		NextNight *nightrecord.Plan `json:"next_night"`
	}
	err := callServer(ctx, http.MethodGet, at.URL+"/v1/tracks/"+url.PathEscape(track), nil, func(r io.Reader) error { return json.NewDecoder(r).Decode(&answer) })
	switch {
	case err != nil:
		return nightrecord.Plan{}, fmt.Errorf("plan the next night of track %s: %w", track, err)
	case answer.NextNight == nil:
		return nightrecord.Plan{}, fmt.Errorf("plan the next night of track %s: nobody learns from the server at %s; it is not one of the command run", track, at.URL)
	}
	return *answer.NextNight, nil
}

// followEvents reads a night's events until it is done.
func followEvents(r io.Reader, night *nightrecord.Night, printer *nightPrinter) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	event := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "":
			event = "" // the frame is over
		case name == "event":
			event = value
		case name == "data" && event == "":
			return refusedInStream(value)
		case name == "data" && event == "done":
			return json.Unmarshal([]byte(value), night)
		case name == "data" && event == "state":
			if err := json.Unmarshal([]byte(value), night); err != nil {
				return err
			}
			printer.show(*night)
		case name == "data" && event == "progress":
			if err := json.Unmarshal([]byte(value), &night.Progress); err != nil {
				return err
			}
			printer.show(*night)
		}
	}
	return errors.Join(lines.Err(), errors.New("the events ended before the night did"))
}

// refusedInStream is the error that the server tells inside a stream which had begun.
func refusedInStream(data string) error {
	var e struct {
		Error struct{ Message string }
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil || e.Error.Message == "" {
		return fmt.Errorf("the server sent %.200q", data)
	}
	return errors.New(e.Error.Message)
}

// callServer sends a request with the key of NIGHTSHIFT_ADMIN_KEY, if that is set, and reads the answer of a success.
func callServer(ctx context.Context, method, url string, body []byte, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("NIGHTSHIFT_ADMIN_KEY"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return read(resp.Body)
}
