package api

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"nightshift/internal/nearest"
	"nightshift/internal/registry"
	"nightshift/serve/api/wire"
)

// maxReason bounds a person's reason, in bytes.
const maxReason = 1000

// onTrack authorises an admin on the track in the path.
func (s *Server) onTrack(c *fiber.Ctx) (who caller, track string, err error) {
	if who, err = s.authorize(c, roleAdmin); err != nil {
		return who, "", err
	}
	if track, err = param(c, "track"); err != nil {
		return who, "", err
	}
	if err = who.may(track); err != nil {
		return who, "", err
	}
	for _, m := range s.deps.Versions.Models() {
		if m.Champion.Track == track {
			return who, track, nil
		}
	}
	return who, "", s.unknownTrack(who, track)
}

// unknownTrack is the 404 of a track; it asks whether the nearest of those that the caller may see was meant.
func (s *Server) unknownTrack(who caller, track string) *Problem {
	return notFound("track_not_found", "track", "there is no track %q; /v1/tracks lists them%s", clip(track), s.meant(who, track))
}

// meant asks whether the nearest track that the caller may see was meant.
func (s *Server) meant(who caller, track string) string {
	var names []string
	for _, m := range s.deps.Versions.Models() {
		if who.sees(m.Champion.Track) {
			names = append(names, m.Champion.Track)
		}
	}
	return nearest.Question(track, names)
}

// visibleTracks lists the tracks in the caller's scope.
func (s *Server) visibleTracks(c *fiber.Ctx, who caller) ([]wire.Track, error) {
	all, err := s.deps.Admin.Tracks(c.Context())
	if err != nil {
		return nil, err
	}
	seen := []wire.Track{}
	for _, t := range all {
		if who.sees(t.Track) {
			seen = append(seen, t)
		}
	}
	return seen, nil
}

func (s *Server) listTracks(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleAdmin)
	if err != nil {
		return err
	}
	tracks, err := s.visibleTracks(c, who)
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusOK, wire.Tracks{Data: tracks})
}

// createTrack makes a track and answers as getTrack does.
func (s *Server) createTrack(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleAdmin)
	if err != nil {
		return err
	}
	body, err := s.body(c)
	if err != nil {
		return err
	}
	_, o, err := read(body)
	if err != nil {
		return err
	}
	track, reason := o.need("track"), o.limited("reason", maxReason)
	if err := o.end(); err != nil {
		return err
	}
	if err := registry.CheckTrack(track); err != nil {
		return badRequest("invalid_value", "track", "track is %q, it must be 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit", clip(track))
	}
	if err := who.may(track); err != nil {
		return err
	}
	if _, err := s.deps.Admin.Change(s.base, Order{Change: Create, Track: track, Actor: actor(who), Reason: reason}); err != nil {
		return err
	}
	c.Set(fiber.HeaderLocation, "/v1/tracks/"+track)
	return s.sendTrack(c, fiber.StatusCreated, who, track)
}

func (s *Server) deleteTrack(c *fiber.Ctx) error {
	o, err := s.ordered(c, Delete)
	if err != nil {
		return err
	}
	done, err := s.deps.Admin.Change(s.base, o)
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusOK, wire.DeletedTrack{Track: o.Track, Deleted: true, Activation: done.Activation})
}

func (s *Server) getTrack(c *fiber.Ctx) error {
	who, name, err := s.onTrack(c)
	if err != nil {
		return err
	}
	return s.sendTrack(c, fiber.StatusOK, who, name)
}

// sendTrack describes one track.
func (s *Server) sendTrack(c *fiber.Ctx, status int, who caller, name string) error {
	tracks, err := s.visibleTracks(c, who)
	if err != nil {
		return err
	}
	for _, t := range tracks {
		if t.Track == name {
			t.NextNight = s.deps.Admin.NextNight(c.Context(), name)
			return sendJSON(c, status, t)
		}
	}
	return s.unknownTrack(who, name)
}

// decodeOrder reads the body of an activation.
func decodeOrder(body []byte) (Order, error) {
	_, o, err := read(body)
	if err != nil {
		return Order{}, err
	}
	order := Order{Change: Activate}
	v, ok := o.get("version")
	switch {
	case !ok:
		o.missing("version")
	case v.kind == text && v.text == "base":
	case v.kind == number:
		n, _ := o.int("version", 1, 999_999_999)
		order.Number = int(n)
	default:
		o.r.wrong("version", v, `a version number or "base"`)
	}
	order.Reason = o.limited("reason", maxReason)
	if n, ok := o.int("expect", 0, 999_999_999); ok {
		expect := int(n)
		order.Expect = &expect
	}
	return order, o.end()
}

func (s *Server) activate(c *fiber.Ctx) error {
	who, track, err := s.onTrack(c)
	if err != nil {
		return err
	}
	body, err := s.body(c)
	if err != nil {
		return err
	}
	order, err := decodeOrder(body)
	if err != nil {
		return err
	}
	order.Track, order.Actor = track, actor(who)
	return s.change(c, order)
}

// actor is how a caller is named in activations; it never looks like the updater.
func actor(who caller) string {
	if who.name == "" || !registry.Human(who.name) {
		return "key:" + who.name
	}
	return who.name
}

// ordered reads a request about a track whose body holds at most a reason.
func (s *Server) ordered(c *fiber.Ctx, change Change) (Order, error) {
	who, track, err := s.onTrack(c)
	if err != nil {
		return Order{}, err
	}
	reason, err := s.reason(c)
	return Order{Change: change, Track: track, Actor: actor(who), Reason: reason}, err
}

// reason reads a body that holds at most a reason.
func (s *Server) reason(c *fiber.Ctx) (string, error) {
	body, err := s.optionalBody(c)
	if err != nil {
		return "", err
	}
	_, o, err := read(body)
	if err != nil {
		return "", err
	}
	reason := o.limited("reason", maxReason)
	return reason, o.end()
}

func (s *Server) rollback(c *fiber.Ctx) error { return s.simply(c, Rollback) }
func (s *Server) hold(c *fiber.Ctx) error     { return s.simply(c, Hold) }
func (s *Server) release(c *fiber.Ctx) error  { return s.simply(c, Release) }

// simply makes a change of the track in the path that takes at most a reason.
func (s *Server) simply(c *fiber.Ctx, change Change) error {
	o, err := s.ordered(c, change)
	if err != nil {
		return err
	}
	return s.change(c, o)
}

// change makes a change and answers with what is in force.
func (s *Server) change(c *fiber.Ctx, o Order) error {
	done, err := s.deps.Admin.Change(s.base, o)
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusOK, done)
}

func (s *Server) listAdapters(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleAdmin)
	if err != nil {
		return err
	}
	wanted, err := query1(c, "track")
	if err != nil {
		return err
	}
	if wanted != "" {
		if err := who.may(wanted); err != nil {
			return err
		}
	}
	list, found := []wire.Adapter{}, false
	for _, m := range s.deps.Versions.Models() {
		track := m.Champion.Track
		if wanted != "" && wanted != track || !who.sees(track) {
			continue
		}
		found = true
		adapters, err := s.deps.Admin.Adapters(c.Context(), track)
		if err != nil {
			return err
		}
		list = append(list, adapters...)
	}
	if wanted != "" && !found {
		return s.unknownTrack(who, wanted)
	}
	return sendJSON(c, fiber.StatusOK, wire.Adapters{Data: list})
}

func (s *Server) getAdapter(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleAdmin)
	if err != nil {
		return err
	}
	name, err := param(c, "adapter")
	if err != nil {
		return err
	}
	track, selector := registry.SplitName(name)
	n, err := strconv.Atoi(strings.TrimPrefix(selector, "@"))
	if err != nil || n < 1 {
		return notFound("adapter_not_found", "", "%q is not the name of an adapter; want track@number", clip(name))
	}
	if err := who.may(track); err != nil {
		return err
	}
	detail, err := s.deps.Admin.Adapter(c.Context(), track, n)
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusOK, detail)
}
