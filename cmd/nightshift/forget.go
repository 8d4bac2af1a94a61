package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/serve"
	"nightshift/update"
	"nightshift/update/history"
	"nightshift/update/night"
)

func forgetCommand(s *app.Flags) *cobra.Command {
	var subject string
	var retrain, asJSON bool
	cmd := &cobra.Command{Use: "forget --subject USER", Short: "Delete what a person said, everywhere, and list or withdraw the versions that learned from it"}
	cmd.Flags().StringVar(&subject, "subject", "", "the person, as the field user of requests names them")
	cmd.Flags().BoolVar(&retrain, "retrain", false, "where such a version serves, go back to the last one before it and learn again from what others said")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if subject == "" {
			return errors.New("forget needs --subject USER: the person, as the field user of requests names them")
		}
		p, err := s.Open(cmd, app.Once)
		if err != nil {
			return err
		}
		r, err := forget(cmd.Context(), p, subject)
		if !r.done {
			return p.Closing(err)
		}
		if !asJSON {
			r.print()
		}
		switch {
		case retrain:
			err = errors.Join(err, learnAgain(cmd.Context(), p, &r, asJSON))
		case !asJSON:
			r.advise(subject)
		}
		if asJSON {
			err = errors.Join(err, json.NewEncoder(os.Stdout).Encode(r))
		}
		return p.Closing(err)
	}
	return cmd
}

// forgetting is what became of a person's data, and of the versions that learned from it.
type forgetting struct {
	Store  replaystore.EraseReport `json:"store"`
	Traces history.Traces          `json:"traces"`
	Tracks []history.Withdrawal    `json:"tracks"`           // of which versions that learned from it serve, or that have not learned again yet
	Nights []nightrecord.Night     `json:"nights,omitempty"` // that learned again

	done bool // the data is gone
}

// forget deletes a person from the store and from the selections of nights, and looks for tracks that are to learn again.
func forget(ctx context.Context, p *app.Parts, user string) (forgetting, error) {
	var r forgetting
	var err error
	if r.Store, err = p.Store.Erase(ctx, serve.Subject(p.Secret, user)); err != nil {
		return r, err
	}
	if r.Traces, err = history.Erase(p.Registry, r.Store); err != nil {
		return r, err
	}
	r.done = true
	r.Tracks, err = history.Withdrawals(p.Registry, time.Now())
	return r, err
}

// print says what was deleted.
func (r *forgetting) print() {
	fmt.Printf("deleted %d interactions, %d pieces of feedback, %d rehearsed examples, and %d examples of %d nights\n",
		r.Store.Interactions, r.Store.Feedback, r.Store.MemoryItems, r.Traces.Examples, len(r.Traces.Nights))
	if len(r.Traces.Versions) == 0 {
		fmt.Println("no version learned from them")
		return
	}
	names := make([]string, len(r.Traces.Versions))
	for i, v := range r.Traces.Versions {
		names[i] = v.String()
	}
	fmt.Printf("these versions learned from them, or from others who were erased: %s\n", strings.Join(names, ", "))
}

// advise says what --retrain would do.
func (r *forgetting) advise(subject string) {
	for _, w := range r.Tracks {
		switch {
		case w.Held != "":
			fmt.Println(held(w))
			continue
		case w.Tainted:
			fmt.Printf("track %s serves one of them; with --retrain it goes back to %s at once", w.Track, w.Clean)
		default:
			fmt.Printf("track %s went back to %s; with --retrain it", w.Track, w.Clean)
		}
		if w.Examples > 0 {
			fmt.Printf(", and learns again from %s", others(w))
		}
		fmt.Println()
	}
	if len(r.Tracks) > 0 {
		fmt.Printf("the command for it: nightshift forget --subject %q --retrain\n", subject)
	}
}

// held says why a track stays as it is.
func held(w history.Withdrawal) string {
	return fmt.Sprintf("track %s goes on serving what learned from them: it is held by %s; `nightshift adapter release %s` first, then run this command again with --retrain", w.Track, w.Held, w.Track)
}

// others names the examples of a withdrawal.
func others(w history.Withdrawal) string {
	return fmt.Sprintf("%d examples of others, of %d nights", w.Examples, len(w.Nights))
}

// learnAgain takes what learned from erased people out of service on all tracks, and then has the tracks learn again, one after the other.
// A track that is held stays as it is, which is no success.
func learnAgain(ctx context.Context, p *app.Parts, r *forgetting, asJSON bool) error {
	printer := &nightPrinter{}
	deps := night.Deps{Progress: printer.show}
	if asJSON {
		deps.Progress = nil
	}
	nights, err := p.NewNights(deps)
	if err != nil {
		return err
	}
	updater := update.New(nights)
	var failed error
	for i, w := range r.Tracks {
		w, err := updater.Withdraw(ctx, w.Track)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		r.Tracks[i] = w
		switch {
		case w.Held != "":
			failed = errors.Join(failed, errors.New(held(w)))
		case w.Activation > 0 && !asJSON:
			fmt.Printf("activation %d: %s is the champion of track %s\n", w.Activation, w.Clean, w.Track)
		}
	}
	for _, w := range r.Tracks {
		if w.Held != "" || w.Tainted && w.Activation == 0 || w.Examples == 0 {
			continue
		}
		n, err := updater.RunNight(ctx, night.Request{Track: w.Track, By: "forget"})
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		r.Nights = append(r.Nights, n)
		if asJSON {
			continue
		}
		if err := printer.result(n); err != nil {
			failed = errors.Join(failed, err)
		}
		if n.State == nightrecord.Skipped {
			fmt.Printf("%s serves; %s wait for a night that can use them\n", w.Clean, others(w))
		}
	}
	left, err := history.Withdrawals(p.Registry, time.Now()) // a night of another process may have published meanwhile
	for _, w := range left {
		if w.Tainted && w.Held == "" {
			failed = errors.Join(failed, fmt.Errorf("unlearn on track %s: %s serves and learned from somebody who was erased; run this command again", w.Track, w.Champion))
		}
	}
	return errors.Join(failed, err)
}
