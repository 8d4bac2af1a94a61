package api

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/serve/api/wire"
)

const (
	defaultNights = 50
	maxNights     = 500
)

// query1 returns a copy of a query parameter, which may be given once.
func query1(c *fiber.Ctx, name string) (string, error) {
	values, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return "", badRequest("invalid_query", "", "the query of the address is not valid")
	}
	if len(values[name]) > 1 {
		return "", badRequest("invalid_query", name, "%s is given more than once", name)
	}
	return values.Get(name), nil
}

func (s *Server) listNights(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleAdmin)
	if err != nil {
		return err
	}
	track, err := query1(c, "track")
	if err != nil {
		return err
	}
	tracks := who.tracks // so that the limit counts nights that the caller sees
	if track != "" {
		if err := who.may(track); err != nil {
			return err
		}
		tracks = []string{track}
	}
	limit := defaultNights
	text, err := query1(c, "limit")
	if err != nil {
		return err
	}
	if text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxNights {
			return badRequest("invalid_value", "limit", "limit is %q, it must be from 1 to %d", clip(text), maxNights)
		}
	}
	nights, err := s.deps.Admin.Nights(c.Context(), tracks, limit)
	if err != nil {
		return err
	}
	list := []json.RawMessage{}
	for _, n := range nights {
		list = append(list, n.Record)
	}
	return sendJSON(c, fiber.StatusOK, wire.Nights{Data: list})
}

func (s *Server) startNight(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleAdmin)
	if err != nil {
		return err
	}
	body, err := s.optionalBody(c)
	if err != nil {
		return err
	}
	_, o, err := read(body)
	if err != nil {
		return err
	}
	track, given := o.string("track")
	if !given {
		track = registry.Default
	}
	dryRun := o.bool("dry_run")
	if err := o.end(); err != nil {
		return err
	}
	if err := who.may(track); err != nil {
		return err
	}
	known := false
	for _, m := range s.deps.Versions.Models() {
		known = known || m.Champion.Track == track
	}
	if !known {
		return s.unknownTrack(who, track)
	}
	id, err := s.deps.Admin.RequestNight(s.base, track, actor(who), dryRun)
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusAccepted, wire.NightQueued{ID: id, Track: track, State: "queued"})
}

// night finds the night in the path, in the caller's scope.
func (s *Server) night(c *fiber.Ctx) (RawNight, error) {
	who, err := s.authorize(c, roleAdmin)
	if err != nil {
		return RawNight{}, err
	}
	id, err := param(c, "night")
	if err != nil {
		return RawNight{}, err
	}
	n, err := s.deps.Admin.Night(c.Context(), id)
	if err != nil {
		return RawNight{}, orMissing(err, notFound("night_not_found", "", "there is no night %q", clip(id)))
	}
	return n, who.may(n.Track)
}

func (s *Server) getNight(c *fiber.Ctx) error {
	n, err := s.night(c)
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusOK, n.Record)
}

func (s *Server) followNight(c *fiber.Ctx) error {
	n, err := s.night(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.open)
	id := requestID(c)
	return s.events(c, cancel, func(e *events) {
		err := e.comment() // the head arrives at once, also for a night that waits
		if err == nil {
			err = s.deps.Admin.FollowNight(ctx, n.ID, func(event string, data json.RawMessage) error {
				if event == "" {
					return e.comment()
				}
				return e.send(event, data)
			})
		}
		switch {
		case err == nil:
		case s.open.Err() != nil:
			s.failStream(e, engine.ErrClosed, id)
		case ctx.Err() == nil:
			s.failStream(e, err, id)
		}
	})
}
